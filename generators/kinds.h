#pragma once

#include <map>
#include <string>

#include "generators/ops/affine.h"
#include "generators/ops/autocontrast.h"
#include "generators/ops/color.h"
#include "generators/ops/contrast.h"
#include "generators/ops/equalize.h"
#include "generators/ops/sharpness.h"
#include "generators/ops/shear_x.h"
#include "generators/ops/shear_y.h"
#include "generators/ops/shift.h"
#include "generators/ops/tone.h"

namespace halmix {

/// The algorithm of each kind in the catalogue.
inline const std::map<std::string, OpOutput (*)(const OpInput&)> kinds = {
    {"affine", affine},     {"autocontrast", autocontrast}, {"color", color},
    {"contrast", contrast}, {"equalize", equalize},         {"sharpness", sharpness},
    {"shear_x", shear_x},   {"shear_y", shear_y},           {"shift", shift},
    {"tone", tone},
};

}  // namespace halmix
