#include "options.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <exception>
#include <limits>
#include <new>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace halmix::command {
namespace {

namespace fs = std::filesystem;

/// A whole number from the whole text.
template <typename Integer>
bool parse_whole(std::string_view text, Integer& value, int base) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    return error == std::errc{} && end == text.data() + text.size();
}

Fill parse_fill(std::string_view text) {
    Fill fill{};
    bool valid = true;
    if (text.starts_with('#')) {
        valid = text.size() == 7;
        for (std::size_t i = 0; valid && i < fill.size(); ++i)
            valid = parse_whole(text.substr(1 + 2 * i, 2), fill[i], 16);
    } else {
        for (std::size_t i = 0; valid && i < fill.size(); ++i) {
            const std::size_t comma = i + 1 < fill.size() ? text.find(',') : text.size();
            valid = comma != std::string_view::npos && parse_whole(text.substr(0, comma), fill[i], 10);
            if (valid) text.remove_prefix(std::min(comma + 1, text.size()));
        }
    }
    if (!valid) throw UsageError("--fill: must be R,G,B with values 0..255, or #rrggbb");
    return fill;
}

/// "224", or "320x240", as width and height.
void parse_size(std::string_view text, RandomResizedCrop& crop) {
    const std::size_t x = text.find('x');
    const bool valid = parse_whole(text.substr(0, x), crop.width, 10) &&
                       (x == std::string_view::npos || parse_whole(text.substr(x + 1), crop.height, 10));
    if (!valid) throw UsageError("--crop: must be the pixels of a side, or WIDTHxHEIGHT");
    if (x == std::string_view::npos) crop.height = crop.width;
}

io::Format parse_format(std::string_view text) {
    const std::optional<io::Format> format = io::format_of("name." + std::string(text));
    return format ? *format : throw UsageError("--format: must be jpeg or png");
}

/// An op's range and unit, such as "-360..360 degrees".
std::string range(const OpInfo& op) {
    if (op.type == ValueType::none) return "no value";
    std::array<char, 96> text{};
    std::snprintf(text.data(), text.size(), "%.0f..%.0f %.*s", op.min, op.max, static_cast<int>(op.unit.size()),
                  op.unit.data());
    return text.data();
}

}  // namespace

void add_input_options(CLI::App& app, io::Acceptance& accept, bool* skip) {
    app.add_option("--max-pixels", accept.max_pixels,
                   "Refuse images of more pixels, width times height, before decoding them")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{std::numeric_limits<std::int32_t>::max()}).description(""))
        ->type_name("N")
        ->capture_default_str();

    const auto add_choice = [&](const std::string& name, std::vector<std::string> words, const auto& choose,
                                const std::string& about) {
        app.add_option_function<std::string>(name, choose, about)
            ->check(CLI::IsMember(words).description(""))
            ->type_name(CLI::detail::join(words, "|"))
            ->default_str(words.front());
    };
    std::vector<std::string> unsupported{"refuse", "convert"};
    if (skip != nullptr) unsupported.emplace_back("skip");
    const auto choose_unsupported = [&accept, skip](const std::string& word) {
        accept.unsupported = word == "convert";
        if (skip != nullptr) *skip = word == "skip";
    };
    add_choice("--unsupported", unsupported, choose_unsupported,
               "Images that are not read as they are: convert drops transparency and the lower half of 16 bits" +
                   std::string(skip != nullptr ? "; skip leaves out all that cannot be read" : ""));
    add_choice(
        "--damaged", {"refuse", "accept"}, [&accept](const std::string& word) { accept.damaged = word == "accept"; },
        "Damaged images: accept takes JPEGs whose pixels are what Pillow makes of them, and refuses the others");
}

void add_output_options(CLI::App& app, OutputOptions& output, const std::string& what) {
    app.add_option("-o,--output", output.path, what)->required()->type_name("OUT");
    app.add_option_function<std::string>(
           "--format", [&](const std::string& text) { output.format = parse_format(text); },
           "jpeg or png; default: what the name says")
        ->type_name("FORMAT");
    app.add_option("--quality", output.quality, "Of JPEG results, 1..100; from 90 on with full colour resolution")
        ->check(CLI::Range(1, 100).description(""))
        ->type_name("Q")
        ->capture_default_str();
}

void add_policy_options(CLI::App& app, Policy& policy) {
    app.add_option("--severity", policy.severity, "Strength of the ops, 0..10")->type_name("S")->capture_default_str();
    app.add_option("--width", policy.width, "Number of chains, 1.." + std::to_string(max_width))
        ->type_name("N")
        ->capture_default_str();
    app.add_option("--depth", policy.depth,
                   "Ops of each chain, 1.." + std::to_string(max_depth) + "; -1: 1 to 3, drawn for each chain")
        ->type_name("N")
        ->capture_default_str();
    app.add_option("--alpha", policy.alpha, "Of the Dirichlet and Beta distributions of the weights, above 0")
        ->type_name("A")
        ->capture_default_str();
    app.add_option_function<std::string>(
           "--ops", [&](const std::string& list) { policy.ops = as_usage([&] { return parse_op_choices(list); }); },
           "Ops to draw from: all, safe, original or names, each with :WEIGHT if wanted, separated by commas")
        ->type_name("LIST")
        ->default_str("all");
    add_fill_option(app, policy.fill);
}

void add_crop_options(CLI::App& app, Policy& policy) {
    CLI::Option* crop = app.add_option_function<std::string>(
                               "--crop",
                               [&](const std::string& text) {
                                   if (!policy.crop) policy.crop.emplace();
                                   parse_size(text, *policy.crop);
                               },
                               "Cut a random part out, resize it to SIZE (224 or 320x240) and flip it, as torchvision "
                               "does before it augments")
                            ->type_name("SIZE");
    app.add_option_function<std::string>(
           "--filter",
           [&](const std::string& name) {
               if (!policy.crop) policy.crop.emplace();
               policy.crop->filter = as_usage([&] { return parse_filter(name); });
           },
           "How --crop resizes: bilinear or bicubic, both as Pillow 13 does")
        ->needs(crop)
        ->type_name("NAME")
        ->default_str("bilinear");
}

void add_key_options(CLI::App& app, Key& key) {
    // Not by CLI11's own conversion, which takes -1 for 2^64 - 1.
    const auto add = [&](const std::string& name, auto& number, const std::string& about) {
        const auto parse = [name, &number](const std::string& text) {
            if (parse_whole(text, number, 10)) return;
            const auto max = std::numeric_limits<std::remove_reference_t<decltype(number)>>::max();
            throw UsageError(name + ": must be a whole number 0.." + std::to_string(max));
        };
        app.add_option_function<std::string>(name, parse, about)->type_name("N")->default_str(std::to_string(number));
    };
    add("--seed", key.seed, "Another seed, other results");
    add("--epoch", key.epoch, "Another epoch, other results");
    add("--index", key.index, "Sample index of the first image");
}

void add_fill_option(CLI::App& app, Fill& fill) {
    app.add_option_function<std::string>(
           "--fill", [&](const std::string& text) { fill = parse_fill(text); },
           "Colour of the pixels that warps uncover, R,G,B or #rrggbb")
        ->type_name("COLOUR")
        ->default_str("0,0,0");
}

void add_target_option(CLI::App& app, std::string& target) {
    app.add_option("--target", target, "Where to compute, a name that `halmix targets` lists")
        ->type_name("NAME")
        ->capture_default_str();
}

io::Format result_format(const fs::path& path, std::optional<io::Format> format) {
    const std::optional<io::Format> named = io::format_of(path);
    if (!format && !named) {
        throw UsageError(io::printable(path) +
                         ": the name does not say the format; end it in .jpg or .png or add --format");
    }
    if (format && named && *format != *named) {
        throw UsageError(io::printable(path) + ": the name says another format than --format; change one of them");
    }
    return format ? *format : *named;
}

io::Format single_result_format(const OutputOptions& output) {
    std::error_code ignored;
    if (output.path.ends_with('/') || fs::is_directory(output.path, ignored)) {
        throw UsageError(io::printable(output.path) + ": is a folder; name a file for the result");
    }
    return result_format(output.path, output.format);
}

Engine make_engine(const std::string& target) {
    return as_usage([&] { return Engine(target); });
}

io::Image result_for(const Plan& plan, const io::Image& image) {
    io::Image result{plan.width, plan.height, image.channels, {}};
    result.pixels.resize(image_bytes(Layout::u8_hwc, plan.width, plan.height, image.channels));
    return result;
}

std::string describe_ops() {
    std::string text = "Ops:\n";
    for (const OpInfo& op : ops()) {
        std::array<char, 200> line{};
        std::snprintf(line.data(), line.size(), "  %-14.*s%-32s%.*s\n", static_cast<int>(op.name.size()),
                      op.name.data(), range(op).c_str(), static_cast<int>(op.about.size()), op.about.data());
        text += line.data();
    }
    return text;
}

std::string failure_line(const fs::path& input) {
    try {
        throw;
    } catch (const io::Error& error) {
        return error.what();
    } catch (const std::bad_alloc&) {
        return io::Error(input, "needs more memory than there is", "use fewer threads or a smaller image").what();
    } catch (const std::exception& error) {
        return io::printable(input) + ": " + error.what();
    }
}

}  // namespace halmix::command
