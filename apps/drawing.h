#pragma once

#include <cairo.h>

#include <memory>
#include <span>
#include <string>

#include "halmix/image.h"
#include "io/image_file.h"

namespace halmix::command {

struct Point {
    int x = 0;
    int y = 0;
};

struct Size {
    int width = 0;
    int height = 0;

    friend bool operator==(const Size&, const Size&) = default;
};

/// The last five are for lines of a plot, and stay apart for people who do not tell red from green.
enum class Ink : unsigned char { black, gray, blue, line, grid, vermilion, green, sky, purple, orange };

enum class Align : unsigned char { left, centre, right };

struct Pen {
    Ink ink = Ink::line;
    int width = 2;
    bool dashed = false;
};

struct CairoDeleter {
    void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
    void operator()(cairo_t* context) const { cairo_destroy(context); }
};

/// A white page with pictures, text and lines. All lengths are in pixels.
class Drawing {
 public:
    /// Throws std::bad_alloc, also for a page of more than 32,767 pixels a side.
    explicit Drawing(Size size);

    /// How wide a line of text is.
    [[nodiscard]] static int text_width(const std::string& text, int font_size);

    /// The image in a thin frame around these pixels. At its own size or a whole multiple of it, every pixel is the
    /// image's own; else each is the mean of the area it covers. Gray is shown as RGB.
    void picture(Point centre, Size size, ImageView image);

    /// A line of text standing on `y`, with its centre, or what `align` says, at `x`.
    void text(Point base, const std::string& text, int font_size, Ink ink, Align align = Align::centre);

    void line(std::span<const Point> path, const Pen& pen = {});
    void dot(Point centre, int radius, Ink ink);
    void arrow(std::span<const Point> path,
               int head);                     ///< its last stretch must not be diagonal nor shorter than `head`
    void sum_sign(Point centre, int radius);  ///< a plus in a circle

    /// The page as RGB.
    [[nodiscard]] io::Image image() const;

 private:
    Size size_;
    std::unique_ptr<cairo_surface_t, CairoDeleter> surface_;
    std::unique_ptr<cairo_t, CairoDeleter> context_;
};

}  // namespace halmix::command
