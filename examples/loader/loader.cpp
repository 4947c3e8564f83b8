// A loader of its own: from a folder of JPEG and PNG files to normalised batches with AugMix, and how fast.
//
//     loader FOLDER --crop 224 --threads 2 --epochs 3
//
// One thread makes batches, with helpers, and hands them over in a bounded queue; the main thread, which stands for
// training, takes them and gives their memory back. What is in a batch depends on seed, epoch and rank alone: the
// digest that is printed for each epoch is the same for any number of threads.

#include <halmix/augment.h>
#include <halmix/halmix.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cctype>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <exception>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

namespace fs = std::filesystem;

std::atomic<bool> stopped = false;  ///< Ctrl-C

struct Settings {
    std::string folder;
    int batch = 64, crop = 224, threads = 0, epochs = 1, slots = 4, rank = 0, ranks = 1;
    std::uint64_t seed = 0;
};

/// Adds its own lifetime to a number of seconds.
class Timer {
 public:
    explicit Timer(double& seconds) : seconds_(seconds) {}
    ~Timer() { seconds_ += std::chrono::duration<double>(Clock::now() - begin_).count(); }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

 private:
    using Clock = std::chrono::steady_clock;
    double& seconds_;
    const Clock::time_point begin_ = Clock::now();
};

/// A batch of the epoch: float32 pixels (sample, channel, y, x), and which file each is of. Its memory is used again.
struct Batch {
    std::vector<float> pixels;
    std::vector<std::size_t> files;
};

/// Batches on their way from one thread to another; `take` waits for one, and gives null when no more will come.
class Queue {
 public:
    void put(Batch* batch) {
        {
            const std::scoped_lock lock(mutex_);
            batches_.push_back(batch);
        }
        changed_.notify_one();
    }
    void end() { put(nullptr); }
    Batch* take() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return !batches_.empty(); });
        Batch* batch = batches_.front();
        batches_.pop_front();
        return batch;
    }

 private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Batch*> batches_;
};

std::vector<fs::path> find_files(const std::string& folder) {
    std::vector<fs::path> files;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
        std::string extension = entry.path().extension().string();
        std::ranges::transform(extension, extension.begin(), [](unsigned char c) { return std::tolower(c); });
        const bool picture = extension == ".jpg" || extension == ".jpeg" || extension == ".png";
        if (picture && entry.is_regular_file()) files.push_back(entry.path());
    }
    std::ranges::sort(files);  // the index of a file must not depend on the file system
    return files;
}

/// A bijection that mixes all bits (the finalizer of MurmurHash3).
std::uint64_t mix(std::uint64_t bits) {
    bits = (bits ^ bits >> 33) * 0xff51afd7ed558ccd;
    bits = (bits ^ bits >> 33) * 0xc4ceb9fe1a85ec53;
    return bits ^ bits >> 33;
}

/// This rank's files of an epoch, in their order: all files, shuffled by seed and epoch, and of those each ranks-th.
std::vector<std::size_t> order_of(std::size_t count, const Settings& settings, std::uint32_t epoch) {
    std::vector<std::pair<std::uint64_t, std::size_t>> shuffled;
    for (std::size_t i = 0; i < count; i++) shuffled.emplace_back(mix(mix(settings.seed ^ mix(epoch)) ^ i), i);
    std::ranges::sort(shuffled);
    std::vector<std::size_t> order;
    for (std::size_t i = settings.rank; i < count; i += settings.ranks) order.push_back(shuffled[i].second);
    return order;
}

/// Makes batches, in a thread of its own.
class Producer {
 public:
    Producer(const Settings& settings, const std::vector<fs::path>& files)
        : settings_(settings), files_(files), threads_(settings.threads), batches_(settings.slots) {
        recipe_.policy.crop = halmix::RandomResizedCrop{.width = settings.crop, .height = settings.crop};
        options_.normalization = {{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}};
        options_.runner = threads_.runner();
        options_.interrupt = {[](void*) { return stopped.load(); }, nullptr};
        for (Batch& batch : batches_) free.put(&batch);
    }

    void make(std::uint32_t epoch) try {
        const std::vector<std::size_t> order = order_of(files_.size(), settings_, epoch);
        for (std::size_t first = 0; first < order.size() && !stopped; first += settings_.batch) {
            Batch* batch = nullptr;
            {
                const Timer timer(waited);
                batch = free.take();
            }
            const std::size_t end = std::min(first + settings_.batch, order.size());
            batch->files.assign(order.begin() + static_cast<std::ptrdiff_t>(first),
                                order.begin() + static_cast<std::ptrdiff_t>(end));
            fill(*batch, epoch);
            ready.put(batch);
        }
        ready.end();
    } catch (...) {
        failure = std::current_exception();
        ready.end();
    }

    Queue free, ready;
    double waited = 0, read = 0, computed = 0;  ///< seconds
    std::exception_ptr failure;

 private:
    void fill(Batch& batch, std::uint32_t epoch) {
        const std::size_t count = batch.files.size(), size = std::size_t{3} * settings_.crop * settings_.crop;
        contents_.resize(count);
        {
            const Timer timer(read);
            filling_ = &batch;
            options_.runner.run(options_.runner.state, count, read_file, this);
        }
        const Timer timer(computed);
        batch.pixels.resize(count * size);
        views_.clear();
        for (std::size_t i = 0; i < count; i++) {
            views_.emplace_back(reinterpret_cast<std::uint8_t*>(&batch.pixels[i * size]), settings_.crop,
                                settings_.crop, 3, halmix::Layout::f32_chw);
        }
        samples_.clear();
        names_.clear();
        for (const std::size_t file : batch.files) names_.push_back(files_[file].string());
        for (std::size_t i = 0; i < count; i++) {
            samples_.push_back({.bytes = std::as_bytes(std::span(contents_[i])),
                                .name = names_[i],
                                .key = {.seed = settings_.seed, .epoch = epoch, .index = batch.files[i]},
                                .results = {&views_[i], 1}});
        }
        problems_.assign(count, "");
        augmenter_.run(engine_, recipe_, samples_, options_, problems_);
        leave_out_broken(batch, size);
    }

    /// A task: the bytes of the i-th file of the batch. What cannot be read is empty, and then broken.
    static bool read_file(void* self, std::size_t i) {
        auto& producer = *static_cast<Producer*>(self);
        try {
            std::ifstream file(producer.files_[producer.filling_->files[i]], std::ios::binary | std::ios::ate);
            std::vector<char>& contents = producer.contents_[i];
            contents.resize(file ? static_cast<std::size_t>(file.tellg()) : 0);
            file.seekg(0).read(contents.data(), static_cast<std::streamsize>(contents.size()));
        } catch (const std::exception&) {
            producer.contents_[i].clear();
        }
        return true;
    }

    /// What is broken is told of, and the rest moves up.
    void leave_out_broken(Batch& batch, std::size_t size) const {
        std::size_t kept = 0;
        for (std::size_t i = 0; i < batch.files.size(); i++) {
            if (!problems_[i].empty()) {
                std::fprintf(stderr, "\nleft out: %s\n", problems_[i].c_str());
                continue;
            }
            if (kept != i) std::copy_n(&batch.pixels[i * size], size, &batch.pixels[kept * size]);
            batch.files[kept++] = batch.files[i];
        }
        batch.files.resize(kept);
        batch.pixels.resize(kept * size);
    }

    const Settings& settings_;
    const std::vector<fs::path>& files_;
    const halmix::Engine engine_;
    halmix::Threads threads_;
    halmix::io::Augmenter augmenter_;
    halmix::io::Recipe recipe_;
    halmix::Options options_;
    std::vector<Batch> batches_;

    // Of one batch, kept for the next.
    const Batch* filling_ = nullptr;
    std::vector<std::vector<char>> contents_;
    std::vector<std::string> names_, problems_;
    std::vector<halmix::MutableImageView> views_;
    std::vector<halmix::io::Sample> samples_;
};

/// What an epoch held and in what order, as one number. Of pixels it takes a sample, to leave the processors to those
/// that compute: all of a batch come from memory.
class Digest {
    static constexpr std::size_t step = 997;

 public:
    void add(const Batch& batch) {
        const std::size_t size = batch.pixels.size() / std::max<std::size_t>(batch.files.size(), 1);
        for (std::size_t i = 0; i < batch.files.size(); i++) {
            std::uint64_t sum = 0;
            for (std::size_t k = i * size; k < (i + 1) * size; k += step) {
                std::uint32_t bits = 0;
                std::memcpy(&bits, &batch.pixels[k], sizeof bits);
                sum += bits;
            }
            value = mix(value ^ mix(sum ^ batch.files[i]));
        }
    }

    std::uint64_t value = 0;
};

void show_progress(std::size_t done, std::size_t all) {
    constexpr std::size_t width = 40;
    const std::size_t filled = done * width / all;
    std::fprintf(stderr, "\r[%s%s] %zu of %zu", std::string(filled, '#').c_str(),
                 std::string(width - filled, '.').c_str(), done, all);
}

void run(const Settings& settings) {
    const std::vector<fs::path> files = find_files(settings.folder);
    Producer producer(settings, files);
    const std::size_t expected = order_of(files.size(), settings, 0).size();
    if (expected == 0) throw std::runtime_error(settings.folder + ": no JPEG or PNG files for this rank");
    for (int epoch = 0; epoch < settings.epochs && !stopped; epoch++) {
        double waited = 0, total = 0;
        std::size_t images = 0;
        Digest digest;
        producer.read = producer.computed = producer.waited = 0;
        {
            const Timer timer(total);
            std::thread maker([&] { producer.make(static_cast<std::uint32_t>(epoch)); });
            for (;;) {
                Batch* batch = nullptr;
                {
                    const Timer waiting(waited);
                    batch = producer.ready.take();
                }
                if (batch == nullptr) break;
                digest.add(*batch);  // here a step of training would be
                images += batch->files.size();
                show_progress(images, expected);
                producer.free.put(batch);
            }
            maker.join();
        }
        std::fprintf(stderr, "\n");
        if (producer.failure && !stopped) std::rethrow_exception(producer.failure);
        std::printf(
            "epoch %d: %zu images, digest %016llx, %.0f images/s; seconds: reading %.2f, computing %.2f, "
            "waiting for memory %.2f, waiting for batches %.2f\n",
            epoch, images, static_cast<unsigned long long>(digest.value), static_cast<double>(images) / total,
            producer.read, producer.computed, producer.waited, waited);
    }
}

}  // namespace

int main(int argc, char** argv) try {
    Settings settings;
    CLI::App app("Loads a folder of JPEG and PNG files as batches with AugMix, and tells how fast.");
    app.add_option("FOLDER", settings.folder, "Searched with all folders in it")
        ->required()
        ->check(CLI::ExistingDirectory);
    app.add_option("--batch", settings.batch, "Images of a batch")->check(CLI::PositiveNumber);
    app.add_option("--crop", settings.crop, "Pixels of a side of what is cut out")->check(CLI::PositiveNumber);
    app.add_option("--threads", settings.threads, "That compute; 0: one for each processor")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--epochs", settings.epochs, "Passes over the files")->check(CLI::PositiveNumber);
    app.add_option("--slots", settings.slots, "Batches that there is memory for")->check(CLI::Range(2, 1000));
    app.add_option("--seed", settings.seed, "Another seed, other results");
    app.add_option("--rank", settings.rank, "Which part of each epoch, of --ranks")->check(CLI::NonNegativeNumber);
    app.add_option("--ranks", settings.ranks, "In how many processes an epoch is loaded")->check(CLI::PositiveNumber);
    CLI11_PARSE(app, argc, argv);
    if (settings.rank >= settings.ranks) throw std::runtime_error("--rank: must be below --ranks");
    std::signal(SIGINT, [](int) { stopped = true; });
    run(settings);
    return stopped ? 130 : 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "loader: %s\n", error.what());
    return 1;
}
