#include "drawing.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <new>
#include <numbers>
#include <vector>

#ifdef __SANITIZE_ADDRESS__
// What fontconfig keeps until the process ends is not our leak. The sanitizer finds only what is visible.
extern "C" [[gnu::visibility("default")]] const char* __lsan_default_suppressions() { return "leak:libfontconfig\n"; }
extern "C" [[gnu::visibility("default")]] const char* __lsan_default_options() { return "print_suppressions=0"; }
#endif

namespace halmix::command {
namespace {

constexpr int line_width = Pen{}.width;
constexpr double frame_gray = 0.72;

/// What a pixel of a resized line covers of the line it comes from: pixels `first` to `last`. Lengths are counted in
/// parts of a pixel, of which `to` make one, so that they are whole numbers.
struct Cover {
    std::int64_t begin, end;
    int first, last;
    int parts;

    Cover(int i, int from, int to)
        : begin(std::int64_t{i} * from),
          end(begin + from),
          first(static_cast<int>(begin / to)),
          last(static_cast<int>((end - 1) / to)),
          parts(to) {}

    [[nodiscard]] std::int64_t of(int pixel) const {
        const std::int64_t pixel_begin = std::int64_t{pixel} * parts;
        return std::min(end, pixel_begin + parts) - std::max(begin, pixel_begin);
    }
};

/// The mean of the pixels that two covers meet in, rounded.
std::array<std::uint8_t, 3> mean(ImageView image, const Cover& columns, const Cover& rows) {
    std::array<std::int64_t, 3> sum{};
    for (int y = rows.first; y <= rows.last; ++y) {
        std::array<std::int64_t, 3> row_sum{};
        for (int x = columns.first; x <= columns.last; ++x) {
            const std::uint8_t* pixel = image.row(y) + std::ptrdiff_t{x} * image.channels;
            for (int c = 0; c < image.channels; ++c) row_sum[c] += columns.of(x) * pixel[c];
        }
        for (int c = 0; c < image.channels; ++c) sum[c] += rows.of(y) * row_sum[c];
    }
    const std::int64_t area = std::int64_t{image.width} * image.height;
    for (std::int64_t& value : sum) value = (value + area / 2) / area;
    if (image.channels == 1) sum[1] = sum[2] = sum[0];
    return {static_cast<std::uint8_t>(sum[0]), static_cast<std::uint8_t>(sum[1]), static_cast<std::uint8_t>(sum[2])};
}

double advance(cairo_t* context, const std::string& text) {
    cairo_text_extents_t extents;
    cairo_text_extents(context, text.c_str(), &extents);
    return extents.x_advance;
}

void set_ink(cairo_t* context, Ink ink) {
    // The last five: Okabe and Ito, 2008.
    constexpr std::array<std::array<double, 3>, 10> inks{{{0.1, 0.1, 0.1},
                                                          {0.4, 0.4, 0.4},
                                                          {0.07, 0.32, 0.65},
                                                          {0.35, 0.35, 0.35},
                                                          {0.9, 0.9, 0.9},
                                                          {0.835, 0.369, 0},
                                                          {0, 0.62, 0.451},
                                                          {0.337, 0.706, 0.914},
                                                          {0.8, 0.475, 0.655},
                                                          {0.902, 0.624, 0}}};
    const auto [red, green, blue] = inks[static_cast<std::size_t>(ink)];
    cairo_set_source_rgb(context, red, green, blue);
}

}  // namespace

Drawing::Drawing(Size size)
    : size_(size),
      surface_(cairo_image_surface_create(CAIRO_FORMAT_RGB24, size.width, size.height)),
      context_(cairo_create(surface_.get())) {
    cairo_t* const context = context_.get();
    if (cairo_status(context) != CAIRO_STATUS_SUCCESS) throw std::bad_alloc();
    cairo_set_source_rgb(context, 1, 1, 1);
    cairo_paint(context);
    cairo_select_font_face(context, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    // Letters are drawn by their outlines alone, so that their width is proportional to their size.
    cairo_font_options_t* const options = cairo_font_options_create();
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    cairo_set_font_options(context, options);
    cairo_font_options_destroy(options);
}

int Drawing::text_width(const std::string& text, int font_size) {
    const Drawing scratch({1, 1});
    cairo_set_font_size(scratch.context_.get(), font_size);
    return static_cast<int>(std::ceil(advance(scratch.context_.get(), text)));
}

void Drawing::picture(Point centre, Size size, ImageView image) {
    const Point corner{centre.x - size.width / 2, centre.y - size.height / 2};
    cairo_t* const context = context_.get();
    cairo_set_source_rgb(context, frame_gray, frame_gray, frame_gray);
    cairo_rectangle(context, corner.x - line_width, corner.y - line_width, size.width + 2 * line_width,
                    size.height + 2 * line_width);
    cairo_fill(context);

    cairo_surface_flush(surface_.get());
    unsigned char* const data = cairo_image_surface_get_data(surface_.get());
    const std::ptrdiff_t stride = cairo_image_surface_get_stride(surface_.get());
    std::vector<Cover> columns;
    columns.reserve(size.width);
    for (int x = 0; x < size.width; ++x) columns.emplace_back(x, image.width, size.width);
    for (int y = 0; y < size.height; ++y) {
        const Cover row(y, image.height, size.height);
        auto* pixel = reinterpret_cast<std::uint32_t*>(data + (corner.y + y) * stride) + corner.x;
        for (const Cover& column : columns) {
            const auto [red, green, blue] = mean(image, column, row);
            *pixel++ = std::uint32_t{red} << 16 | std::uint32_t{green} << 8 | blue;
        }
    }
    cairo_surface_mark_dirty(surface_.get());
}

void Drawing::text(Point base, const std::string& text, int font_size, Ink ink, Align align) {
    cairo_t* const context = context_.get();
    set_ink(context, ink);
    cairo_set_font_size(context, font_size);
    cairo_move_to(context, base.x - advance(context, text) * static_cast<int>(align) / 2, base.y);
    cairo_show_text(context, text.c_str());
}

void Drawing::line(std::span<const Point> path, const Pen& pen) {
    cairo_t* const context = context_.get();
    set_ink(context, pen.ink);
    cairo_set_line_width(context, pen.width);
    const std::array<double, 2> dash{4.0 * pen.width, 3.0 * pen.width};
    cairo_set_dash(context, dash.data(), pen.dashed ? dash.size() : 0, 0);
    cairo_new_path(context);  // a text leaves a point behind
    for (const Point& point : path) cairo_line_to(context, point.x, point.y);
    cairo_stroke(context);
}

void Drawing::dot(Point centre, int radius, Ink ink) {
    cairo_t* const context = context_.get();
    set_ink(context, ink);
    cairo_new_path(context);
    cairo_arc(context, centre.x, centre.y, radius, 0, 2 * std::numbers::pi);
    cairo_fill(context);
}

void Drawing::arrow(std::span<const Point> path, int head) {
    const auto [x, y] = path.back();
    const Point before = path[path.size() - 2];
    const int dx = (x > before.x) - (x < before.x);
    const int dy = (y > before.y) - (y < before.y);
    std::vector<Point> shaft(path.begin(), path.end());
    shaft.back() = {x - dx * head / 2, y - dy * head / 2};  // ends inside the head, which is narrower than it
    line(shaft);
    cairo_t* const context = context_.get();
    const double half = 0.4 * head;
    cairo_move_to(context, x, y);
    cairo_line_to(context, x - dx * head - dy * half, y - dy * head - dx * half);
    cairo_line_to(context, x - dx * head + dy * half, y - dy * head + dx * half);
    cairo_fill(context);
}

void Drawing::sum_sign(Point centre, int radius) {
    cairo_t* const context = context_.get();
    const auto [x, y] = centre;
    const int arm = radius * 11 / 20;
    line(std::array{Point{x - arm, y}, Point{x + arm, y}});
    line(std::array{Point{x, y - arm}, Point{x, y + arm}});
    cairo_arc(context, x, y, radius - line_width / 2.0, 0, 2 * std::numbers::pi);
    cairo_stroke(context);
}

io::Image Drawing::image() const {
    if (cairo_status(context_.get()) != CAIRO_STATUS_SUCCESS) throw std::bad_alloc();
    cairo_surface_flush(surface_.get());
    const unsigned char* const data = cairo_image_surface_get_data(surface_.get());
    const std::ptrdiff_t stride = cairo_image_surface_get_stride(surface_.get());
    io::Image image{size_.width, size_.height, 3, {}};
    image.pixels.reserve(std::size_t{3} * size_.width * size_.height);
    for (int y = 0; y < size_.height; ++y) {
        const auto* row = reinterpret_cast<const std::uint32_t*>(data + y * stride);
        for (int x = 0; x < size_.width; ++x) {
            for (const int shift : {16, 8, 0}) image.pixels.push_back(static_cast<std::uint8_t>(row[x] >> shift));
        }
    }
    return image;
}

}  // namespace halmix::command
