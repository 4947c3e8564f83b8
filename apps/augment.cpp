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
#include <set>
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
    io::Acceptance accept;
    bool skip_unsupported = false;
    Policy policy;
    Key key;
    int views = 1;
    int threads = usable_processors();
    std::string target = "auto";
    std::string plan_output;
    std::string report;
    bool resume = false;
};

/// How an image fared; the names are those of --report and of the summary.
enum class Outcome : unsigned char { done, converted, accepted, kept, skipped, refused, failed };
constexpr std::array outcome_names{"done", "converted", "accepted", "kept", "skipped", "refused", "failed"};

bool is_bad(Outcome outcome) { return outcome == Outcome::refused || outcome == Outcome::failed; }

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

using Json = nlohmann::ordered_json;

/// The beginning of a line about a file. JSON is UTF-8: a name that is not has replacement characters, and its bytes
/// stand beside it.
Json line_about(const std::string& name) {
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
    return line;
}

std::string text_of(const Json& line) { return line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

/// A line of --plan-out.
std::string plan_line(const std::string& name, int view, const Plan& plan) {
    Json line = line_about(name);
    line["view"] = view;
    line["plan"] = Json::parse(to_json(plan));
    return text_of(line);
}

/// What has become of the images: counted, and told in the lines of --report.
class Report {
 public:
    explicit Report(const std::string& path) {
        if (!path.empty()) file_.emplace(path);
    }

    /// A problem that is no image's. All of them come before the images.
    void add(const std::string& problem) { put(before_++, Json::object(), Outcome::failed, problem); }

    /// The image at an index.
    void add(std::size_t index, const std::string& name, Outcome outcome, const std::string& problem) {
        put(before_ + index, line_about(name), outcome, problem);
    }

    [[nodiscard]] std::size_t count(Outcome outcome) const { return counts_[static_cast<std::size_t>(outcome)]; }

    /// Such as "990 done, 3 converted, 7 refused".
    [[nodiscard]] std::string summary() const {
        std::string text;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            if (counts_[i] == 0) continue;
            text += (text.empty() ? "" : ", ") + std::to_string(counts_[i]) + " " + outcome_names[i];
        }
        return text;
    }

    void commit() {
        if (file_) file_->commit();
    }

 private:
    void put(std::size_t place, Json line, Outcome outcome, const std::string& problem) {
        ++counts_[static_cast<std::size_t>(outcome)];
        if (!file_) return;
        line["outcome"] = outcome_names[static_cast<std::size_t>(outcome)];
        if (!problem.empty()) line["problem"] = problem;
        file_->put(place, text_of(line));
    }

    std::array<std::atomic<std::size_t>, outcome_names.size()> counts_{};
    std::size_t before_ = 0;
    std::optional<OrderedFile> file_;
};

/// Whether a result is there, made since the image was changed last.
bool is_made(const fs::path& result, const fs::path& input) {
    std::error_code error;
    if (!fs::is_regular_file(result, error)) return false;
    const fs::file_time_type made = fs::last_write_time(result, error);
    return !error && made >= fs::last_write_time(input, error) && !error;
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
        if (options_.resume) check_apart();
        for (const fs::path& folder : folders()) io::remove_leftovers(folder);
        if (in_folder_ && !items.empty()) create_folder(options_.output.path);
        std::optional<OrderedFile> plans;
        if (!options_.plan_output.empty()) plans.emplace(options_.plan_output);
        Report report(options_.report);

        Progress progress(items.size());
        for (const std::string& line : list_.failures) {
            progress.say(line);
            report.add(line);
        }
        std::atomic<std::size_t> started{0};
        Threads threads(static_cast<int>(std::clamp<std::size_t>(items.size(), 1, options_.threads)));
        for_each_index(threads, items.size(), [&](std::size_t i) {
            if (interrupted()) return;
            ++started;
            std::string plan_text;
            std::string problem;
            Outcome outcome{};
            try {
                outcome = augment(items[i], i, plan_text);
            } catch (const io::Error& error) {
                problem = error.what();
                outcome = outcome_of(error);
            } catch (...) {
                problem = failure_line(items[i].input);
                outcome = Outcome::failed;
            }
            if (is_bad(outcome)) {
                plan_text.clear();
                progress.say(problem);
            }
            if (plans) plans->put(i, std::move(plan_text));
            report.add(i, items[i].name, outcome, problem);
            progress.advance();
        });
        report.commit();

        const std::size_t bad = report.count(Outcome::refused) + report.count(Outcome::failed);  // folders among them
        if (interrupted()) {
            progress.say("halmix: interrupted; " + std::to_string(started + list_.failures.size() - bad) + " of " +
                         std::to_string(items.size()) + " inputs are done");
            return exit_failed;
        }
        // All done, and nobody looking on: then no news is good news.
        const bool is_plain = report.count(Outcome::done) == items.size() && list_.failures.empty();
        if (in_folder_ && !items.empty() && (progress.is_seen() || !is_plain))
            progress.say("halmix: " + report.summary());
        if (plans && bad < items.size() + list_.failures.size()) plans->commit();
        return bad == 0 ? exit_done : exit_failed;
    }

 private:
    [[nodiscard]] Outcome outcome_of(const io::Error& error) const {
        if (error.trouble() == io::Trouble::none) return Outcome::failed;
        return options_.skip_unsupported && error.trouble() == io::Trouble::unsupported ? Outcome::skipped
                                                                                        : Outcome::refused;
    }

    /// Throws UsageError if results would lie among the images, where --resume would take them for images.
    void check_apart() const {
        for (const Item& item : list_.items) {
            std::error_code ignored;
            if (!fs::equivalent("." / item.input.parent_path(), "." / item.output.parent_path(), ignored)) continue;
            throw UsageError("--resume: results would be among the images, in " +
                             io::printable(item.output.parent_path()) + "; name another folder with -o");
        }
    }

    /// Where results go.
    [[nodiscard]] std::set<fs::path> folders() const {
        std::set<fs::path> found;
        for (const Item& item : list_.items) found.insert("." / item.output.parent_path());
        return found;
    }

    [[nodiscard]] bool is_kept(const Item& item) const {
        for (int view = 0; view < options_.views; ++view) {
            if (!is_made(view_path(item.output, view, options_.views), item.input)) return false;
        }
        return true;
    }

    /// Writes all views of an image, unless they are kept; `plan_text` gets their plans as --plan-out shows them.
    [[nodiscard]] Outcome augment(const Item& item, std::size_t place, std::string& plan_text) const {
        const bool keep = options_.resume && is_kept(item);
        if (keep && options_.plan_output.empty()) return Outcome::kept;
        io::Image image;
        if (keep) {
            const io::Picture header = io::read_header(item.input, options_.accept);
            image.width = header.width;
            image.height = header.height;
        } else {
            image = io::read(item.input, options_.accept);
        }
        io::Image result;
        Key key = options_.key;
        key.index += place;
        Plan plan;
        for (int view = 0; view < options_.views; ++view) {
            key.view = static_cast<std::uint16_t>(view);
            sample(options_.policy, key, image.width, image.height, plan);
            if (!keep) {
                if (view == 0) result = result_for(plan, image);
                engine_.run(plan, image.view(), result.view());
                const fs::path path = view_path(item.output, view, options_.views);
                if (in_folder_) create_folder(path.parent_path());
                io::write(path, std::as_const(result).view(), item.format, options_.output.quality);
            }
            if (options_.plan_output.empty()) continue;
            plan_text += single_plan_ ? to_json(plan) + "\n" : plan_line(item.name, view, plan);
        }
        if (keep) return Outcome::kept;
        if (image.trouble == io::Trouble::unsupported) return Outcome::converted;
        return image.trouble == io::Trouble::damaged ? Outcome::accepted : Outcome::done;
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
    add_input_options(augment, options->accept, &options->skip_unsupported);
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
    augment
        .add_option("--report", options->report,
                    "File for what has become of each input, a line of JSON for each: "
                    R"({"file":...,"outcome":...,"problem":...})")
        ->type_name("FILE");
    augment.add_flag("--resume", options->resume,
                     "Go on with a run that was cut off: leave inputs alone whose results are there and not older");
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
