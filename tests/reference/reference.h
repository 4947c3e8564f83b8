#pragma once

/// The oracle of the tests: what each op and a plan compute, written from the definitions and never optimised. It
/// shares nothing with the library but the plain types of its public headers.
///
/// The definitions are Pillow's (9.4 to 13, x86-64) and Composer's; test_reference.cpp holds the oracle against data
/// made by them. Values are taken to be valid (`halmix::validate`). To be compiled with -ffp-contract=off.

#include <cstdlib>
#include <vector>

#include "halmix/image.h"
#include "halmix/op.h"
#include "halmix/plan.h"
#include "reference/autocontrast.h"
#include "reference/brightness.h"
#include "reference/color.h"
#include "reference/contrast.h"
#include "reference/equalize.h"
#include "reference/image.h"
#include "reference/mix.h"
#include "reference/posterize.h"
#include "reference/resize.h"
#include "reference/rotate.h"
#include "reference/sharpness.h"
#include "reference/shear.h"
#include "reference/solarize.h"
#include "reference/translate.h"

namespace halmix::reference {

inline Image apply(const OpCall& call, const Fill& fill, const Image& in) {
    const double value = call.value;
    switch (call.op) {
        case Op::autocontrast:
            return autocontrast(in);
        case Op::equalize:
            return equalize(in);
        case Op::posterize:
            return posterize(in, static_cast<int>(value));
        case Op::rotate:
            return rotate(in, value, fill);
        case Op::solarize:
            return solarize(in, static_cast<int>(value));
        case Op::shear_x:
            return shear_x(in, value, fill);
        case Op::shear_y:
            return shear_y(in, value, fill);
        case Op::translate_x:
            return translate_x(in, value, fill);
        case Op::translate_y:
            return translate_y(in, value, fill);
        case Op::color:
            return color(in, value);
        case Op::contrast:
            return contrast(in, value);
        case Op::brightness:
            return brightness(in, value);
        case Op::sharpness:
            return sharpness(in, value);
    }
    std::abort();
}

inline Image run(const Plan& plan, const Image& source) {
    const Image in = plan.resized_crop ? resized_crop(*plan.resized_crop, plan.width, plan.height, source) : source;
    std::vector<Image> chains;
    std::vector<float> weights;
    for (const Chain& chain : plan.chains) {
        Image image = in;
        for (const OpCall& call : chain.ops) image = apply(call, plan.fill, image);
        chains.push_back(image);
        weights.push_back(chain.weight);
    }
    return mix(in, chains, weights, plan.mix);
}

}  // namespace halmix::reference
