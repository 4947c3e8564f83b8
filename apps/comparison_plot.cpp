#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "comparison.h"

namespace halmix::command {
namespace {

constexpr int font = 26;
constexpr int em(double count) { return static_cast<int>(count * font); }

constexpr Size plot{em(34), em(24)};  ///< what a panel's axes enclose
constexpr int columns = 2;            ///< of panels
constexpr int margin = em(1.5);
constexpr int dot_radius = 7;
constexpr int curve_width = 4;
constexpr int sample_width = em(3);  ///< of a curve in the legend

constexpr std::array curve_inks{Ink::blue, Ink::vermilion, Ink::green, Ink::sky, Ink::purple, Ink::orange};

/// A curve in each panel.
struct Curve {
    std::string target;
    std::optional<int> cores;
    bool on_device = false;
    std::string name = {};
    Pen pen = {};

    /// The images per second of one of its points, if this is one.
    [[nodiscard]] std::optional<double> value(const Speed& speed) const {
        if (speed.target != target || speed.cores != cores) return {};
        return on_device ? speed.images_per_second_on_device() : speed.images_per_second;
    }
};

std::vector<Curve> find_curves(const Comparison& comparison) {
    std::vector<Curve> curves;
    int most_cores = 1;
    for (const Speed& speed : comparison.speeds) most_cores = std::max(most_cores, speed.cores.value_or(1));
    for (std::size_t i = 0; i < comparison.targets.size(); ++i) {
        const ComparedTarget& target = comparison.targets[i];
        const Pen pen{curve_inks[i % curve_inks.size()], curve_width, false};
        const Pen dashed{pen.ink, curve_width, true};
        if (!target.device.empty()) {
            curves.push_back({target.name, {}, false, target.name + ", host to host", pen});
            curves.push_back({target.name, {}, true, target.name + ", on the device", dashed});
            continue;
        }
        if (most_cores > 1) {
            curves.push_back(
                {target.name, most_cores, false, target.name + ", " + std::to_string(most_cores) + " cores", pen});
        }
        curves.push_back({target.name, 1, false, target.name + ", 1 core", most_cores > 1 ? dashed : pen});
    }
    return curves;
}

/// 1, 2, 5, 10, 20, ...; the first of them is 0.001.
double round_number(int index) {
    constexpr std::array<double, 3> digits{1, 2, 5};
    return digits[index % 3] * std::pow(10, index / 3 - 3);
}

std::string grouped(double value) {
    if (value < 1) return std::to_string(value).substr(0, 5);
    std::string digits = std::to_string(std::llround(value));
    for (auto end = static_cast<int>(digits.size()) - 3; end > 0; end -= 3) digits.insert(digits.begin() + end, ',');
    return digits;
}

/// A logarithmic axis, and where its values are, in pixels from its beginning.
struct Axis {
    std::vector<double> ticks;
    int length;

    [[nodiscard]] int place(double value) const {
        const double range = std::log(ticks.back() / ticks.front());
        return range == 0 ? length / 2
                          : static_cast<int>(std::lround(length * std::log(value / ticks.front()) / range));
    }
};

/// From the round number below the least value to that above the greatest.
Axis value_axis(const Comparison& comparison, const std::vector<Curve>& curves, Size size) {
    double least = HUGE_VAL, greatest = 0;
    for (const Speed& speed : comparison.speeds) {
        for (const Curve& curve : curves) {
            const std::optional<double> value = curve.value(speed);
            if (speed.size != size || !value) continue;
            least = std::min(least, *value);
            greatest = std::max(greatest, *value);
        }
    }
    int first = 0;
    while (round_number(first + 1) <= least) ++first;
    int last = first + 1;
    while (round_number(last) < greatest) ++last;
    Axis axis{{}, plot.height};
    const bool few = last - first <= 9;
    for (int i = first; i <= last; ++i) {
        if (few || i % 3 == 0 || i == first || i == last) axis.ticks.push_back(round_number(i));
    }
    return axis;
}

/// The sizes compared, without what is said twice.
std::vector<Size> find_sizes(const Comparison& comparison) {
    std::vector<Size> sizes;
    for (const Speed& speed : comparison.speeds) {
        if (sizes.empty() || sizes.back() != speed.size) sizes.push_back(speed.size);
    }
    return sizes;
}

/// One panel: axes with their ticks, and the curves. `corner` is the upper left one of what the axes enclose.
void draw_panel(Drawing& drawing, Point corner, const Comparison& comparison, const std::vector<Curve>& curves,
                Size size) {
    const Axis values = value_axis(comparison, curves, size);
    Axis batches{{}, plot.width - 2 * em(1)};
    for (const Speed& speed : comparison.speeds) {
        if (batches.ticks.empty() || speed.batch > batches.ticks.back()) batches.ticks.push_back(speed.batch);
    }
    const int right = corner.x + plot.width, bottom = corner.y + plot.height;
    const auto x = [&](double batch) { return corner.x + em(1) + batches.place(batch); };
    const auto y = [&](double value) { return bottom - values.place(value); };

    drawing.text({corner.x, corner.y - em(0.8)}, text(size), font, Ink::black, Align::left);
    for (const double tick : values.ticks) {
        drawing.line(std::array{Point{corner.x, y(tick)}, Point{right, y(tick)}}, {Ink::grid});
        drawing.text({corner.x - em(0.4), y(tick) + em(0.35)}, grouped(tick), font, Ink::gray, Align::right);
    }
    for (const double tick : batches.ticks) {
        drawing.line(std::array{Point{x(tick), bottom}, Point{x(tick), bottom + em(0.3)}});
        drawing.text({x(tick), bottom + em(1.4)}, grouped(tick), font, Ink::gray);
    }
    drawing.line(std::array{Point{corner.x, corner.y}, Point{corner.x, bottom}, Point{right, bottom}});
    drawing.text({corner.x + plot.width / 2, bottom + em(2.8)}, "images in a batch", font, Ink::gray);

    for (const Curve& curve : curves) {
        std::vector<Point> points;
        for (const Speed& speed : comparison.speeds) {
            const std::optional<double> value = curve.value(speed);
            if (speed.size == size && value) points.push_back({x(speed.batch), y(*value)});
        }
        drawing.line(points, curve.pen);
        for (const Point& point : points) drawing.dot(point, dot_radius, curve.pen.ink);
    }
}

}  // namespace

io::Image draw(const Comparison& comparison) {
    const std::vector<Curve> curves = find_curves(comparison);
    const std::vector<Size> sizes = find_sizes(comparison);
    const auto width = [](const std::string& text) { return Drawing::text_width(text, font); };

    std::vector<std::string> heading{comparison.processor};
    for (const ComparedTarget& target : comparison.targets) {
        if (!target.device.empty()) heading.push_back(target.device);
    }
    int labels = 0, entry = 0, across = 0;
    for (const Size& size : sizes) {
        for (const double tick : value_axis(comparison, curves, size).ticks)
            labels = std::max(labels, width(grouped(tick)));
    }
    for (const Curve& curve : curves) entry = std::max(entry, sample_width + em(0.6) + width(curve.name) + em(2));
    for (const std::string& line : heading) across = std::max(across, width(line));

    // From top to bottom: heading, panels, legend.
    const Size cell{labels + em(0.4) + plot.width + em(2), em(2) + plot.height + em(4.5)};
    const int panels_across = std::min(columns, static_cast<int>(sizes.size()));
    const int panel_rows = (static_cast<int>(sizes.size()) + columns - 1) / columns;
    across = std::max({across, panels_across * cell.width, entry});
    const int entries_across = across / entry;
    const int entry_rows = (static_cast<int>(curves.size()) + entries_across - 1) / entries_across;
    const int panels = margin + em(1.7) * (static_cast<int>(heading.size()) + 1) + em(0.5);
    const int legend = panels + panel_rows * cell.height;
    Drawing drawing({2 * margin + across, legend + entry_rows * em(1.7) + margin});

    int base = margin + em(1);
    drawing.text({margin, base}, "AugMix: images per second", font, Ink::black, Align::left);
    for (const std::string& line : heading) drawing.text({margin, base += em(1.7)}, line, font, Ink::gray, Align::left);
    for (int i = 0; i < static_cast<int>(sizes.size()); ++i) {
        const Point corner{margin + i % columns * cell.width + labels + em(0.4),
                           panels + i / columns * cell.height + em(2)};
        draw_panel(drawing, corner, comparison, curves, sizes[i]);
    }
    for (int i = 0; i < static_cast<int>(curves.size()); ++i) {
        const int left = margin + i % entries_across * entry, y = legend + i / entries_across * em(1.7) + em(0.85);
        drawing.line(std::array{Point{left, y}, Point{left + sample_width, y}}, curves[i].pen);
        drawing.dot({left + sample_width / 2, y}, dot_radius, curves[i].pen.ink);
        drawing.text({left + sample_width + em(0.6), y + em(0.35)}, curves[i].name, font, Ink::black, Align::left);
    }
    return drawing.image();
}

}  // namespace halmix::command
