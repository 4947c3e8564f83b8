#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "drawing.h"
#include "interrupt.h"
#include "options.h"
#include "plan_file.h"

namespace halmix::command {
namespace {

struct Options {
    std::string input;
    OutputOptions output{.path = {}, .format = io::Format::png};
    io::Acceptance accept;
    Policy policy;
    Key key;
    std::string plan;
    int grid = 0;  ///< results to show, or 0 for the method
    std::string target = "auto";
};

constexpr int max_grid = 1000;

constexpr Size page{2480, 3508};  ///< a figure's size at most, if its text allows: A4 with 300 dots per inch
constexpr int min_font_size = 14;
constexpr int max_font_size = 30;

/// How a value is shown, by its unit.
struct Notation {
    std::string_view unit, before;
    const char* number;
    std::string_view after;
};

constexpr std::array<Notation, 6> notations{{
    {"bits", "", "%.0f", " bit"},
    {"degrees", "", "%.4g", "°"},
    {"factor", "×", "%.2f", ""},
    {"pixels", "", "%.0f", " px"},
    {"slope", "", "%.3f", ""},
    {"threshold", "≥ ", "%.0f", ""},
}};

std::string number_text(const char* format, double value) {
    std::array<char, 32> buffer{};
    std::snprintf(buffer.data(), buffer.size(), format, std::abs(value));
    const std::string text = buffer.data();
    const bool rounds_to_zero = text.find_first_of("123456789") == std::string::npos;
    return (value < 0 && !rounds_to_zero ? "−" : "") + text;
}

/// An op's value as it stands below its picture; empty if the op has none.
std::string value_text(const OpCall& call) {
    const OpInfo& op = info(call.op);
    if (op.type == ValueType::none) return "";
    const auto notation = std::ranges::find(notations, op.unit, &Notation::unit);
    assert(notation != notations.end());
    return std::string(notation->before) + number_text(notation->number, call.value) + std::string(notation->after);
}

/// 12 as small digits below the line.
std::string subscript(std::size_t number) {
    std::string text;
    for (const char digit : std::to_string(number)) text += {'\xE2', '\x82', static_cast<char>(digit - '0' + '\x80')};
    return text;
}

int font_size(int wanted) { return std::clamp(wanted, min_font_size, max_font_size); }

/// How large an image is shown that has this much room: as it is or a whole multiple, unless it must be made smaller.
Size fit(Size image, Size room) {
    const double most = std::min(double(room.width) / image.width, double(room.height) / image.height);
    const double scale = most < 1 ? most : std::floor(most);
    const auto scaled = [&](int length) { return std::max(1, static_cast<int>(std::lround(length * scale))); };
    return {scaled(image.width), scaled(image.height)};
}

Size size_of(const io::Image& image) { return {image.width, image.height}; }

/// Ends the work between two pictures; what is drawn so far is of no use.
void stop_if_interrupted() {
    if (interrupted()) throw std::runtime_error("interrupted; the figure is not written");
}

/// A share 0..1 in hundredths.
int hundredths(float share) { return static_cast<int>(std::lround(100 * double{share})); }

std::string share_text(const std::string& name, int hundredths) {
    return name + " = " + std::to_string(hundredths / 100) + "." + std::to_string(hundredths % 100 / 10) +
           std::to_string(hundredths % 10);
}

std::string weight_text(const Plan& plan, std::size_t chain) {
    return share_text("w" + subscript(chain + 1), hundredths(plan.chains[chain].weight));
}

std::string mix_text(const Plan& plan) { return share_text("m", hundredths(plan.mix)); }
std::string skip_text(const Plan& plan) { return share_text("1 − m", 100 - hundredths(plan.mix)); }

constexpr const char* source_name = "source";
constexpr const char* crop_name = "crop";
constexpr const char* original_name = "original";
constexpr const char* combination_name = "combination";
constexpr const char* result_name = "result";

/// Where everything of the method's figure is, in pixels.
struct MethodLayout {
    Size size;   ///< of the figure
    Size panel;  ///< of each picture
    int font = 0;
    int head = 0;    ///< length of an arrow's head
    int radius = 0;  ///< of a sum sign
    int clear = 0;   ///< between a picture and the lines to it

    /// The centres of what stands in columns, from left to right. The trunk is the line that leads from the original to
    /// every chain, and below all of them past the combination; `weights` and `mix` are the texts before the sum signs.
    int source = 0, original = 0, trunk = 0, first_step = 0, step_pitch = 0, weights = 0, sum = 0;
    int combination = 0, mix = 0, blend = 0, result = 0;

    /// The same for rows, from top to bottom. What is not in a chain stands in the middle.
    int first_row = 0, row_pitch = 0, middle = 0, skip = 0;

    /// Of an image that is cut out of a source, there is a column for that.
    MethodLayout(const Plan& plan, const io::Image& image, bool cut) {
        const int rows = static_cast<int>(plan.chains.size());
        int steps = 0;
        for (const Chain& chain : plan.chains) steps = std::max(steps, static_cast<int>(chain.ops.size()));
        const int columns = steps + 3 + (cut ? 1 : 0);

        font = font_size(std::min(page.width * 2 / (21 * columns + 44), page.height / (8 * rows)));
        const auto em = [&](double count) { return static_cast<int>(std::lround(count * font)); };
        head = em(0.6);
        radius = em(0.55);
        clear = em(0.25);
        const int margin = em(1.5);
        const int fan = em(2.2);
        const int gap = em(1.5);
        const int arrow = em(1.3);
        const int caption = em(2.9);
        const int row_gap = em(0.9);

        int label_width = 0, weight_width = 0;
        const auto width = [&](const std::string& text) { return Drawing::text_width(text, font); };
        for (const char* name : {original_name, combination_name, result_name}) {
            label_width = std::max(label_width, width(name));
        }
        for (std::size_t row = 0; row < plan.chains.size(); ++row) {
            weight_width = std::max(weight_width, width(weight_text(plan, row)) + em(1));
            for (const OpCall& call : plan.chains[row].ops) {
                label_width = std::max({label_width, width(std::string(info(call.op).name)), width(value_text(call))});
            }
        }
        const int mix_width = width(mix_text(plan)) + em(1);

        const int gaps = std::max(0, steps - 1) * gap;
        const int lead = cut ? fan : 0;
        const int between = lead + fan + gaps + weight_width + mix_width + 2 * (2 * radius + arrow);
        const int below = caption + row_gap;
        panel = fit(size_of(image), {(page.width - 2 * margin - between) / columns,
                                     (page.height - 2 * margin) / rows - below - em(1.2) / rows});

        const int cell = std::max(panel.width, label_width);
        source = margin + cell / 2;
        int x = margin + (cut ? cell + lead : 0);
        original = x + cell / 2;
        x += cell + fan;
        trunk = x - fan / 2;
        first_step = x + cell / 2;
        step_pitch = cell + gap;
        x += steps * cell + gaps;
        weights = x + weight_width / 2;
        sum = x + weight_width + radius;
        x = sum + radius + arrow;
        combination = x + cell / 2;
        x += cell;
        mix = x + mix_width / 2;
        blend = x + mix_width + radius;
        x = blend + radius + arrow;
        result = x + cell / 2;
        size.width = x + cell + margin;

        first_row = margin + std::max(panel.height / 2, em(1.2));  // room for the weight's text
        row_pitch = panel.height + below;
        middle = first_row + (rows - 1) * row_pitch / 2;
        skip = first_row + rows * row_pitch - panel.height / 2 + em(1.2);
        size.height = skip + margin;
    }
};

/// The method: the original on the left, the chains as rows of steps, their combination, and the result on the right.
class MethodFigure {
 public:
    MethodFigure(const Engine& engine, const Plan& plan, const io::Image& source)
        : engine_(engine),
          crop_(plan.resized_crop),
          plan_(without_crop(plan)),
          source_(source),
          image_(cut_out(engine, plan, source)),
          at_(plan_, image_, crop_.has_value()),
          drawing_(at_.size) {}

    io::Image draw() {
        if (crop_) draw_source();
        picture({at_.original, at_.middle}, image_, crop_ ? crop_name : original_name);
        line({{after(at_.original), at_.middle}, {at_.trunk, at_.middle}});
        for (std::size_t row = 0; row < plan_.chains.size(); ++row) draw_chain(row);

        Plan mixture = plan_;
        mixture.mix = 1;
        io::Image shown = image_;
        engine_.run(mixture, image_.view(), shown.view());
        drawing_.sum_sign({at_.sum, at_.middle}, at_.radius);
        arrow({{at_.sum + at_.radius, at_.middle}, {before(at_.combination), at_.middle}});
        picture({at_.combination, at_.middle}, shown, combination_name);
        above({at_.mix, at_.middle}, mix_text(plan_));
        arrow({{after(at_.combination), at_.middle}, {at_.blend - at_.radius, at_.middle}});

        arrow({{at_.trunk, at_.middle},
               {at_.trunk, at_.skip},
               {at_.blend, at_.skip},
               {at_.blend, at_.middle + at_.radius}});
        const std::string skip = skip_text(plan_);
        above({at_.blend - (Drawing::text_width(skip, at_.font) + at_.font) / 2, at_.skip}, skip);
        engine_.run(plan_, image_.view(), shown.view());
        drawing_.sum_sign({at_.blend, at_.middle}, at_.radius);
        arrow({{at_.blend + at_.radius, at_.middle}, {before(at_.result), at_.middle}});
        picture({at_.result, at_.middle}, shown, result_name);
        return drawing_.image();
    }

 private:
    using Path = std::initializer_list<Point>;

    static Plan without_crop(Plan plan) {
        plan.resized_crop.reset();
        return plan;
    }

    /// The image that ops see: what a plan makes of the source if it mixes nothing in.
    static io::Image cut_out(const Engine& engine, Plan plan, const io::Image& source) {
        if (!plan.resized_crop) return source;
        plan.mix = 0;
        io::Image image = result_for(plan, source);
        engine.run(plan, source.view(), image.view());
        return image;
    }

    /// The source, as large as there is room, and on it the box that is cut out.
    void draw_source() {
        const Size shown = fit(size_of(source_), at_.panel);
        const double scale = double(shown.width) / source_.width;
        const Point corner{at_.source - shown.width / 2, at_.middle - shown.height / 2};
        const auto across = [&](int x) { return corner.x + static_cast<int>(std::lround(x * scale)); };
        const auto down = [&](int y) { return corner.y + static_cast<int>(std::lround(y * scale)); };
        const int left = across(crop_->left), right = across(crop_->left + crop_->width);
        const int top = down(crop_->top), bottom = down(crop_->top + crop_->height);
        picture({at_.source, at_.middle}, shown, source_, source_name, crop_->mirror ? "flipped" : "");
        drawing_.line(
            std::initializer_list<Point>{{left, top}, {right, top}, {right, bottom}, {left, bottom}, {left, top}},
            {.ink = Ink::vermilion});
        arrow({{after(at_.source), at_.middle}, {before(at_.original), at_.middle}});
    }

    void draw_chain(std::size_t row) {
        const int y = at_.first_row + static_cast<int>(row) * at_.row_pitch;
        int x = at_.trunk;
        line({{at_.trunk, at_.middle}, {at_.trunk, y}});
        io::Image shown = image_;
        int column = at_.first_step;
        for (const OpCall& call : plan_.chains[row].ops) {
            engine_.apply({&call, 1}, plan_.fill, shown.view(), shown.view());
            arrow({{x, y}, {before(column), y}});
            picture({column, y}, shown, std::string(info(call.op).name), value_text(call));
            x = after(column);
            column += at_.step_pitch;
        }
        above({at_.weights, y}, weight_text(plan_, row));
        if (y == at_.middle) {
            arrow({{x, y}, {at_.sum - at_.radius, y}});
        } else {
            const int side = y < at_.middle ? -1 : 1;
            arrow({{x, y}, {at_.sum, y}, {at_.sum, at_.middle + side * at_.radius}});
        }
    }

    void picture(Point centre, const io::Image& image, const std::string& name, const std::string& value = "") {
        picture(centre, at_.panel, image, name, value);
    }

    void picture(Point centre, Size size, const io::Image& image, const std::string& name, const std::string& value) {
        stop_if_interrupted();
        drawing_.picture(centre, size, image.view());
        const int y = centre.y + at_.panel.height / 2 + at_.font * 6 / 5;
        drawing_.text({centre.x, y}, name, at_.font, Ink::black);
        drawing_.text({centre.x, y + at_.font * 5 / 4}, value, at_.font, Ink::gray);
    }

    void above(Point line, const std::string& text) {
        drawing_.text({line.x, line.y - at_.font * 2 / 5}, text, at_.font, Ink::blue);
    }

    void line(Path path) { drawing_.line(path); }
    void arrow(Path path) { drawing_.arrow(path, at_.head); }
    [[nodiscard]] int before(int column) const { return column - at_.panel.width / 2 - at_.clear; }
    [[nodiscard]] int after(int column) const { return column + (at_.panel.width + 1) / 2 + at_.clear; }

    const Engine& engine_;
    const std::optional<ResizedCrop> crop_;
    const Plan plan_;  ///< of the image that is cut out
    const io::Image& source_;
    const io::Image image_;
    const MethodLayout at_;
    Drawing drawing_;
};

/// The original and `options.grid` results of it, in about as many rows as columns.
io::Image draw_grid(const Engine& engine, const Options& options, const io::Image& image) {
    const int cells = options.grid + 1;
    const int font = font_size(static_cast<int>(page.width / (11 * std::sqrt(cells))));
    const auto em = [&](double count) { return static_cast<int>(std::lround(count * font)); };
    const int margin = em(1.5), gap = em(0.9), caption = em(1.5);

    const auto index = [&](int cell) { return options.key.index + static_cast<std::uint64_t>(cell) - 1; };
    const auto label = [&](int cell) { return cell == 0 ? original_name : "index " + std::to_string(index(cell)); };
    int label_width = 0;
    for (int cell = 0; cell < cells; ++cell) {
        label_width = std::max(label_width, Drawing::text_width(label(cell), font));
    }

    const int columns = static_cast<int>(std::ceil(std::sqrt(cells)));
    const int rows = (cells + columns - 1) / columns;
    const std::optional<RandomResizedCrop>& crop = options.policy.crop;
    const Size panel =
        fit(crop ? Size{crop->width, crop->height} : size_of(image),
            {(page.width - 2 * margin + gap) / columns - gap, (page.height - 2 * margin + gap) / rows - gap - caption});
    const int across = std::max(panel.width, label_width) + gap;
    const int down = panel.height + caption + gap;
    Drawing drawing({2 * margin + columns * across - gap, 2 * margin + rows * down - gap});

    io::Image shown = image;
    Size size = fit(size_of(image), panel);
    Plan plan;
    for (int cell = 0; cell < cells; ++cell) {
        const Point centre{margin + cell % columns * across + (across - gap) / 2,
                           margin + cell / columns * down + panel.height / 2};
        stop_if_interrupted();
        if (cell > 0) {
            Key key = options.key;
            key.index = index(cell);
            sample(options.policy, key, image.width, image.height, plan);
            if (cell == 1) shown = result_for(plan, image);
            size = panel;
            engine.run(plan, image.view(), shown.view());
        }
        drawing.picture(centre, size, shown.view());
        drawing.text({centre.x, centre.y + panel.height / 2 + em(1.2)}, label(cell), font, Ink::black);
    }
    return drawing.image();
}

void run(const Options& options) {
    if (io::format_of(options.output.path) == io::Format::jpeg) {
        throw UsageError(io::printable(options.output.path) + ": a figure is a PNG; end the name in .png");
    }
    const io::Format format = single_result_format(options.output);
    const Engine engine = make_engine(options.target);
    Plan plan;
    if (!options.plan.empty()) plan = read_plan(options.plan);
    try {
        const io::Image image = io::read(options.input, options.accept);
        if (options.plan.empty()) {
            sample(options.policy, options.key, image.width, image.height, plan);
        } else {
            check_size(plan, options.plan, image, options.input);
        }
        const io::Image figure =
            options.grid > 0 ? draw_grid(engine, options, image) : MethodFigure(engine, plan, image).draw();
        io::write(options.output.path, figure.view(), format);
    } catch (...) {
        throw std::runtime_error(failure_line(options.input));
    }
}

}  // namespace

void add_figure(CLI::App& app, int& exit_code) {
    const auto options = std::make_shared<Options>();
    CLI::App& figure = *app.add_subcommand("figure", "Draw the method, step by step, or many results of one image");
    figure.add_option("IN", options->input, "JPEG or PNG file")->required()->type_name("");
    figure.add_option("-o,--output", options->output.path, "File for the figure, a PNG")->required()->type_name("OUT");
    add_input_options(figure, options->accept);
    const std::size_t others = figure.get_options().size();
    add_policy_options(figure, options->policy);
    add_crop_options(figure, options->policy);
    add_key_options(figure, options->key);
    figure.add_option("--grid", options->grid, "Show this many results instead, of the sample indices from --index on")
        ->check(CLI::Range(1, max_grid).description(""))
        ->type_name("N");
    std::vector<CLI::Option*> without_plan = figure.get_options();
    without_plan.erase(without_plan.begin(), without_plan.begin() + others);
    figure.add_option("--plan", options->plan, "Draw this plan, as `halmix augment --plan-out` writes it, instead")
        ->type_name("FILE");
    add_target_option(figure, options->target);
    figure.footer([] {
        return describe_ops() +
               "Examples:\n"
               "  halmix figure photo.jpg -o method.png --seed 7\n"
               "  halmix figure photo.jpg -o results.png --grid 8 --severity 5";
    });
    figure.callback([options, &exit_code, without_plan] {
        for (const CLI::Option* option : without_plan) {
            if (!options->plan.empty() && option->count() > 0) {
                throw UsageError("--plan: cannot be combined with " + option->get_name());
            }
        }
        as_usage([&] { validate(options->policy); });
        run(*options);
        exit_code = exit_done;
    });
}

}  // namespace halmix::command
