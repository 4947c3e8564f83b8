#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "comparison.h"
#include "io/file.h"
#include "options.h"

namespace halmix::command {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
    ComparisonOptions comparison;
    std::string json, plot;
};

constexpr int max_side = 8192;
constexpr int max_batch = 65536;
constexpr int max_seconds = 3600;

Size parse_size(std::string_view text) {
    Size size;
    const char* const last = text.data() + text.size();
    const auto [cross, width_error] = std::from_chars(text.data(), last, size.width);
    if (width_error == std::errc{} && cross != last && *cross == 'x') {
        const auto [end, height_error] = std::from_chars(cross + 1, last, size.height);
        const auto allowed = [](int side) { return side >= 1 && side <= max_side; };
        if (height_error == std::errc{} && end == last && allowed(size.width) && allowed(size.height)) return size;
    }
    throw UsageError("--sizes: " + std::string(text) + ": must be WIDTHxHEIGHT, each 1.." + std::to_string(max_side));
}

FormatInfo parse_format(const std::string& name) {
    const auto found = std::ranges::find(formats, name, &FormatInfo::name);
    if (found == formats.end()) throw UsageError("--format: " + name + ": must be u8, f16 or f32");
    return *found;
}

template <typename T>
Json or_null(const std::optional<T>& value) {
    return value ? Json(*value) : Json();
}

Json to_json(const Policy& policy) {
    Json list = Json::array();
    for (const OpChoice& choice : policy.ops) {
        list.push_back({{"op", info(choice.op).name},
                        {"law", choice.law == FactorLaw::original ? "original" : "symmetric"},
                        {"weight", choice.weight}});
    }
    return {{"severity", policy.severity}, {"width", policy.width}, {"depth", policy.depth},
            {"alpha", policy.alpha},       {"fill", policy.fill},   {"ops", list}};
}

Json to_json(const Comparison& comparison, const ComparisonOptions& options) {
    Json targets = Json::array();
    for (const ComparedTarget& target : comparison.targets) {
        targets.push_back({{"name", target.name}, {"device", target.device.empty() ? Json() : Json(target.device)}});
    }
    Json absent = Json::array();
    for (const AbsentTarget& target : comparison.absent) {
        absent.push_back({{"name", target.name}, {"problem", target.problem}});
    }
    Json checks = Json::array();
    for (const ByteCheck& check : comparison.checks) {
        Json differing;
        for (std::size_t i = 0; i < comparison.targets.size(); ++i) {
            differing[comparison.targets[i].name] = check.differing[i];
        }
        checks.push_back(
            {{"of", check.of}, {"images", check.images}, {"bytes", check.bytes}, {"differing", differing}});
    }
    Json speeds = Json::array();
    for (const Speed& speed : comparison.speeds) {
        Json phases;
        if (speed.phases) {
            phases = {{"launches", speed.phases->launches},
                      {"passes", speed.phases->passes},
                      {"seconds",
                       {{"host", speed.phases->host},
                        {"upload", speed.phases->upload},
                        {"kernels", speed.phases->kernels},
                        {"download", speed.phases->download}}}};
        }
        speeds.push_back({{"size", text(speed.size)},
                          {"batch", speed.batch},
                          {"target", speed.target},
                          {"cores", or_null(speed.cores)},
                          {"repetitions", speed.repetitions},
                          {"images_per_second", speed.images_per_second},
                          {"images_per_second_on_device", or_null(speed.images_per_second_on_device())},
                          {"phases", phases},
                          {"joules_per_image", or_null(speed.joules_per_image)}});
    }
    Json overtakings = Json::array();
    for (const Overtaking& overtaking : comparison.overtakings) {
        overtakings.push_back({{"size", text(overtaking.size)},
                               {"target", overtaking.target},
                               {"from_host", or_null(overtaking.from_host)},
                               {"on_device", or_null(overtaking.on_device)}});
    }
    return {{"processor", comparison.processor},
            {"cores", options.threads},
            {"targets", targets},
            {"absent", absent},
            {"seconds", options.seconds},
            {"format", options.format.name},
            {"policy", to_json(options.policy)},
            {"reference", comparison.reference},
            {"identical", comparison.identical()},
            {"bytes", checks},
            {"speeds", speeds},
            {"overtakes", overtakings}};
}

/// Rows of cells in columns.
class Table {
 public:
    /// `sides` has a letter for each column: l or r, the side on which its cells are aligned.
    Table(std::string sides, std::vector<std::string> heading) : sides_(std::move(sides)), rows_{std::move(heading)} {}

    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

    [[nodiscard]] std::string text() const {
        std::string text;
        for (const std::vector<std::string>& row : rows_) {
            std::string line;
            for (std::size_t column = 0; column < row.size(); ++column) {
                std::size_t width = 0;
                for (const std::vector<std::string>& other : rows_) width = std::max(width, other[column].size());
                const std::string blanks(width - row[column].size(), ' ');
                line +=
                    (column == 0 ? "" : "  ") + (sides_[column] == 'l' ? row[column] + blanks : blanks + row[column]);
            }
            text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
        }
        return text + "\n";
    }

 private:
    std::string sides_;
    std::vector<std::vector<std::string>> rows_;
};

/// Three digits, or all of a large number's whole part; "-" if there is none.
std::string number(std::optional<double> value) {
    if (!value) return "-";
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), *value >= 100 ? "%.0f" : "%.3g", *value);
    return text.data();
}

std::string cores_text(int cores) { return std::to_string(cores) + (cores == 1 ? " core" : " cores"); }

std::string describe_machine(const Comparison& comparison, const ComparisonOptions& options) {
    Table table("ll", {"processor", comparison.processor + ", " + cores_text(options.threads)});
    for (const ComparedTarget& target : comparison.targets) {
        if (!target.device.empty()) table.add({target.name, target.device});
    }
    for (const AbsentTarget& target : comparison.absent) table.add({target.name, "not here: " + target.problem});
    return table.text();
}

std::string describe_bytes(const Comparison& comparison) {
    std::vector<std::string> heading{"", "images"};
    for (const ComparedTarget& target : comparison.targets) heading.push_back(target.name);
    Table table("l" + std::string(heading.size() - 1, 'r'), heading);
    for (const ByteCheck& check : comparison.checks) {
        std::vector<std::string> row{check.of, std::to_string(check.images)};
        for (std::size_t i = 0; i < comparison.targets.size(); ++i) {
            row.push_back(comparison.targets[i].name == comparison.reference ? "reference"
                          : check.differing[i] == 0                          ? "identical"
                                                    : std::to_string(check.differing[i]) + " differ");
        }
        table.add(std::move(row));
    }
    return "Bytes, beside those of " + comparison.reference + "\n\n" + table.text();
}

std::string describe_speed(const Comparison& comparison) {
    std::string description =
        "Images per second: from host memory to host memory, and on the device, which is without the transfers.\n"
        "Launches and milliseconds of each phase: of a batch.\n\n";
    const std::vector<std::string> heading{"batch", "target", "cores",   "images/s", "on device", "launches",
                                           "host",  "upload", "kernels", "download", "J/image"};
    std::optional<Table> table;
    for (auto speed = comparison.speeds.begin(); speed != comparison.speeds.end(); ++speed) {
        const std::optional<Phases>& phases = speed->phases;
        const auto milliseconds = [&](double Phases::*phase) {
            return number(phases ? std::optional(1e3 * (*phases).*phase) : std::nullopt);
        };
        if (!table) table.emplace("rlrrrrrrrrr", heading);
        table->add({std::to_string(speed->batch), speed->target, speed->cores ? std::to_string(*speed->cores) : "-",
                    number(speed->images_per_second), number(speed->images_per_second_on_device()),
                    phases ? number(phases->launches) : "-", milliseconds(&Phases::host), milliseconds(&Phases::upload),
                    milliseconds(&Phases::kernels), milliseconds(&Phases::download), number(speed->joules_per_image)});
        if (std::next(speed) == comparison.speeds.end() || std::next(speed)->size != speed->size) {
            description += text(speed->size) + "\n" + table->text();
            table.reset();
        }
    }
    return description;
}

std::string describe_overtakings(const Comparison& comparison, const ComparisonOptions& options) {
    if (comparison.overtakings.empty()) return "";
    const auto batch = [](const std::optional<int>& first) { return first ? std::to_string(*first) : "never"; };
    Table table("llrr", {"", "target", "host to host", "on device"});
    for (const Overtaking& overtaking : comparison.overtakings) {
        table.add({text(overtaking.size), overtaking.target, batch(overtaking.from_host), batch(overtaking.on_device)});
    }
    return "The batch from which on it is quicker than the processor with " + cores_text(options.threads) + "\n\n" +
           table.text();
}

int run(const Options& options) {
    if (!options.plot.empty() && io::format_of(options.plot) != io::Format::png) {
        throw UsageError("--plot: " + io::printable(options.plot) + ": a plot is a PNG; end the name in .png");
    }
    // A file that cannot be written is found before all the work.
    const bool json_on_stdout = options.json == "-";
    std::optional<io::AtomicFile> json_file, plot_file;
    if (!options.json.empty() && !json_on_stdout) json_file.emplace(options.json);
    if (!options.plot.empty()) plot_file.emplace(options.plot);

    const ComparisonOptions& asked = options.comparison;
    const Comparison comparison = [&] {
        try {
            return compare(asked);
        } catch (const std::bad_alloc&) {
            throw std::runtime_error("halmix: needs more memory than there is; use smaller --sizes or --batches");
        }
    }();

    const std::string json = to_json(comparison, asked).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
    const std::string description = describe_machine(comparison, asked) + describe_bytes(comparison) +
                                    describe_speed(comparison) + describe_overtakings(comparison, asked);
    if (json_file) {
        json_file->write(json);
        json_file->commit();
    }
    if (plot_file) {
        plot_file->write(io::encode(draw(comparison).view(), io::Format::png, io::default_quality, options.plot));
        plot_file->commit();
    }
    print(json_on_stdout ? json : description);
    return comparison.identical() ? exit_done : exit_failed;
}

}  // namespace

void add_compare(CLI::App& app, int& exit_code) {
    const auto options = std::make_shared<Options>();
    ComparisonOptions& asked = options->comparison;
    CLI::App& compare = *app.add_subcommand("compare", "Compare the bytes and the speed of this machine's targets");
    compare
        .add_option(
            "--target", asked.targets,
            "Targets, names that `halmix targets` lists, cuda:1 for a second GPU; default: all this machine has")
        ->type_name("NAME");
    compare.add_option("--json", options->json, "File for all of it as JSON; -: JSON instead of the tables")
        ->type_name("FILE");
    compare.add_option("--plot", options->plot, "File for a plot of the images per second, a PNG")->type_name("FILE");
    compare
        .add_option_function<std::vector<std::string>>(
            "--sizes",
            [&asked](const std::vector<std::string>& list) {
                asked.sizes.clear();
                for (const std::string& item : list) {
                    const Size size = parse_size(item);
                    if (std::ranges::find(asked.sizes, size) == asked.sizes.end()) asked.sizes.push_back(size);
                }
            },
            "Of the images, WIDTHxHEIGHT, each 1.." + std::to_string(max_side) + "; default: 32x32 224x224")
        ->type_name("SIZE");
    compare
        .add_option("--batches", asked.batches,
                    "Images in a batch, 1.." + std::to_string(max_batch) + "; default: 1 8 32 128 512")
        ->check(CLI::Range(1, max_batch).description(""))
        ->type_name("N");
    compare
        .add_option_function<std::string>(
            "--format", [&asked](const std::string& name) { asked.format = parse_format(name); },
            "Of the results: u8 is levels, f16 and f32 are normalised floats")
        ->type_name("FORMAT")
        ->default_str("u8");
    compare.add_option("--threads", asked.threads, "Cores for the CPU's targets, which are measured on one as well")
        ->check(CLI::Range(1, 1024).description(""))
        ->type_name("N")
        ->capture_default_str();
    compare.add_option("--seconds", asked.seconds, "How long each is measured at least; energy needs several")
        ->type_name("S")
        ->capture_default_str();
    add_policy_options(compare, asked.policy);
    compare.footer(
        "Shows for each target:\n"
        "  bytes    Whether its results are those of the CPU's target that needs least, for each op and for AugMix, "
        "on\n"
        "           gray and RGB images made for this; exit code 1 if a byte differs\n"
        "  speed    AugMix images per second, for each size and batch; of a GPU also without the transfers, and the\n"
        "           kernels it launches and the time of each phase\n"
        "  energy   Joules per image, where the driver tells\n"
        "and for each GPU the smallest batch from which on it is quicker than the best of the CPU's targets.\n"
        "Examples:\n"
        "  halmix compare --sizes 32x32 --batches 1 32 --plot comparison.png\n"
        "  halmix compare --sizes 64x48 --batches 8 --format f16 --severity 5 --json comparison.json\n");
    compare.callback([options, &exit_code] {
        ComparisonOptions& asked = options->comparison;
        as_usage([&] { validate(asked.policy); });
        if (!(asked.seconds >= 0 && asked.seconds <= max_seconds)) {  // nor nan
            throw UsageError("--seconds: must be 0.." + std::to_string(max_seconds));
        }
        std::ranges::sort(asked.batches);
        asked.batches.erase(std::unique(asked.batches.begin(), asked.batches.end()), asked.batches.end());
        exit_code = run(*options);
    });
}

}  // namespace halmix::command
