#include "plan_file.h"

#include <cstdint>
#include <stdexcept>
#include <vector>

#include "io/file.h"
#include "options.h"

namespace halmix::command {
namespace {

std::string size_text(int width, int height) { return std::to_string(width) + " x " + std::to_string(height); }

}  // namespace

Plan read_plan(const std::string& path) {
    try {
        const std::vector<std::uint8_t> bytes = io::read_bytes(path, max_plan_text);
        return plan_from_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    } catch (...) {
        throw std::runtime_error(failure_line(path));
    }
}

void check_size(const Plan& plan, const std::string& plan_path, const io::Image& image, const std::string& image_path) {
    const int width = plan.resized_crop ? plan.resized_crop->source_width : plan.width;
    const int height = plan.resized_crop ? plan.resized_crop->source_height : plan.height;
    if (image.width == width && image.height == height) return;
    throw io::Error(image_path,
                    "is " + size_text(image.width, image.height) + " pixels, but the plan " + io::printable(plan_path) +
                        " is for " + size_text(width, height),
                    "use an image of that size");
}

}  // namespace halmix::command
