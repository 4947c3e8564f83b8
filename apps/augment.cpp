#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "inputs.h"
#include "interrupt.h"
#include "io/file.h"
#include "options.h"
#include "parallel.h"
#include "progress.h"

namespace halmix::command {
namespace {

namespace fs = std::filesystem;

struct Options {
    std::vector<std::string> inputs;
    OutputOptions output;
    std::int64_t max_pixels = io::default_max_pixels;
    Policy policy;
    Key key;
    int views = 1;
    int threads = usable_processors();
    std::string target = "auto";
    std::string plan_output;
};

/// A text file of pieces that threads finish in any order, put together in the order of their index. A failure is kept
/// until `commit`, so that it is reported once.
class OrderedFile {
 public:
    explicit OrderedFile(const fs::path& path) : file_(path) {}

    void put(std::size_t index, std::string piece) {
        const std::scoped_lock lock(mutex_);
        pieces_.emplace(index, std::move(piece));
        try {
            for (; !failure_ && !pieces_.empty() && pieces_.begin()->first == next_; ++next_) {
                file_.write(pieces_.extract(pieces_.begin()).mapped());
            }
        } catch (const io::Error&) {
            failure_ = std::current_exception();
        }
    }

    void commit() {
        if (failure_) std::rethrow_exception(failure_);
        file_.commit();
    }

 private:
    std::mutex mutex_;
    io::AtomicFile file_;
    std::map<std::size_t, std::string> pieces_;  ///< that wait for earlier ones
    std::size_t next_ = 0;
    std::exception_ptr failure_;
};

void create_folder(const fs::path& folder) {
    std::error_code error;
    if (!folder.empty()) fs::create_directories(folder, error);
    if (error) throw io::Error::system(folder, "cannot be created", error.value());
}

bool is_folder(const fs::path& path) {
    std::error_code ignored;
    return fs::is_directory(path, ignored);
}

/// A line of --plan-out. JSON is UTF-8: a name that is not has replacement characters, and its bytes stand beside it.
std::string plan_line(const std::string& name, int view, const Plan& plan) {
    using Json = nlohmann::ordered_json;
    Json line{{"file", name}};
    try {
        (void)line.dump();
    } catch (const Json::type_error&) {
        std::string bytes;
        for (const unsigned char c : name) {
            std::array<char, 3> digits{};
            std::snprintf(digits.data(), digits.size(), "%02x", c);
            bytes += digits.data();
        }
        line["file_bytes"] = bytes;
    }
    line["view"] = view;
    line["plan"] = Json::parse(to_json(plan));
    return line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

class Augmenter {
 public:
    explicit Augmenter(const Options& options)
        : options_(options),
          engine_(make_engine(options.target)),
          list_(list_items(options.inputs, options.output, options.views)),
          in_folder_(into_folder(options.inputs, options.output)),
          single_plan_(options.inputs.size() == 1 && options.views == 1 && !is_folder(options.inputs.front())) {}

    int run() {
        const std::vector<Item>& items = list_.items;
        if (in_folder_ && !items.empty()) create_folder(options_.output.path);
        std::optional<OrderedFile> plans;
        if (!options_.plan_output.empty()) plans.emplace(options_.plan_output);

        Progress progress(items.size());
        for (const std::string& line : list_.failures) progress.say(line);
        std::atomic<std::size_t> failed{0};
        std::atomic<std::size_t> started{0};
        Threads threads(static_cast<int>(std::clamp<std::size_t>(items.size(), 1, options_.threads)));
        for_each_index(threads, items.size(), [&](std::size_t i) {
            if (interrupted()) return;
            ++started;
            std::string plan_text;
            try {
                plan_text = augment(items[i], i);
            } catch (...) {
                ++failed;
                progress.say(failure_line(items[i].input));
            }
            if (plans) plans->put(i, std::move(plan_text));
            progress.advance();
        });

        if (interrupted()) {
            progress.say("halmix: interrupted; " + std::to_string(started - failed) + " of " +
                         std::to_string(items.size()) + " inputs are done");
            return exit_failed;
        }
        if (plans && failed < items.size()) plans->commit();
        return failed == 0 && list_.failures.empty() ? exit_done : exit_failed;
    }

 private:
    /// Writes all views of an image; returns their plans as --plan-out shows them.
    [[nodiscard]] std::string augment(const Item& item, std::size_t place) const {
        const io::Image image = io::read(item.input, options_.max_pixels);
        io::Image result;
        Key key = options_.key;
        key.index += place;
        Plan plan;
        std::string plan_text;
        for (int view = 0; view < options_.views; ++view) {
            key.view = static_cast<std::uint16_t>(view);
            sample(options_.policy, key, image.width, image.height, plan);
            if (view == 0) result = result_for(plan, image);
            engine_.run(plan, image.view(), result.view());
            const fs::path path = view_path(item.output, view, options_.views);
            if (in_folder_) create_folder(path.parent_path());
            io::write(path, std::as_const(result).view(), item.format, options_.output.quality);
            if (options_.plan_output.empty()) continue;
            plan_text += single_plan_ ? to_json(plan) + "\n" : plan_line(item.name, view, plan);
        }
        return plan_text;
    }

    const Options& options_;
    const Engine engine_;
    const ItemList list_;
    const bool in_folder_;
    const bool single_plan_;
};

}  // namespace

void add_augment(CLI::App& app, int& exit_code) {
    const auto options = std::make_shared<Options>();
    CLI::App& augment = *app.add_subcommand("augment", "Augment images and folders of images");
    augment.add_option("IN", options->inputs, "JPEG and PNG files, and folders to be searched for them")
        ->required()
        ->type_name("");
    add_input_options(augment, options->max_pixels);
    add_output_options(
        augment, options->output,
        "File for the result; or folder for the results, if it is one, ends in /, or IN is a folder or several");
    add_policy_options(augment, options->policy);
    add_crop_options(augment, options->policy);
    add_key_options(augment, options->key);
    augment.add_option("--views", options->views, "Results per image; if more than 1, named NAME_v0, NAME_v1, ...")
        ->check(CLI::Range(1, 65536).description(""))
        ->type_name("K")
        ->capture_default_str();
    augment.add_option("--threads", options->threads, "Images at a time; the results are the same for any number")
        ->check(CLI::Range(1, 1024).description(""))
        ->type_name("N")
        ->capture_default_str();
    add_target_option(augment, options->target);
    augment
        .add_option("--plan-out", options->plan_output,
                    "File for the plan, as `halmix replay` reads it; for many results a line for each: "
                    R"({"file":...,"view":...,"plan":...})")
        ->type_name("FILE");
    augment.footer([] {
        return describe_ops() +
               "Examples:\n"
               "  halmix augment photo.jpg -o augmented.jpg --severity 5 --seed 7 --plan-out plan.json\n"
               "  halmix augment photos -o augmented/ --ops safe --views 3 --format png --threads 2\n"
               "  halmix augment photos -o augmented/ --crop 224 --filter bicubic";
    });
    augment.callback([options, &exit_code] {
        as_usage([&] { validate(options->policy); });
        exit_code = Augmenter(*options).run();
    });
}

}  // namespace halmix::command
