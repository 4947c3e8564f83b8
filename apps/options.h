#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "commands.h"
#include "halmix/halmix.h"
#include "io/image_file.h"

/// Options that several subcommands share.
namespace halmix::command {

struct OutputOptions {
    std::string path;
    std::optional<io::Format> format;
    int quality = io::default_quality;
};

/// Which pictures are read. Where those that are not supported can be left out, `skip` says whether they are.
void add_input_options(CLI::App& app, io::Acceptance& accept, bool* skip = nullptr);
void add_output_options(CLI::App& app, OutputOptions& output, const std::string& what);
void add_policy_options(CLI::App& app, Policy& policy);  ///< and --fill
void add_crop_options(CLI::App& app, Policy& policy);    ///< --crop and what is of use with it
void add_key_options(CLI::App& app, Key& key);           ///< --seed, --epoch, --index
void add_fill_option(CLI::App& app, Fill& fill);
void add_target_option(CLI::App& app, std::string& target);

/// What --format or else the name's extension says; throws UsageError if neither does, or if they contradict.
[[nodiscard]] io::Format result_format(const std::filesystem::path& path, std::optional<io::Format> format);

/// `result_format` of the output, which must be a file, not a folder.
[[nodiscard]] io::Format single_result_format(const OutputOptions& output);

/// The engine for --target; throws UsageError if there is no such target here.
[[nodiscard]] Engine make_engine(const std::string& target);

/// An image with the size of a plan's result, and the channels of the image that it is made of.
[[nodiscard]] io::Image result_for(const Plan& plan, const io::Image& image);

/// Runs `call`; the library's complaints about a value become UsageErrors.
template <typename Call>
auto as_usage(Call&& call) {
    try {
        return call();
    } catch (const Error& error) {
        throw UsageError(error.what());
    }
}

/// The op table for a help page: name, range, unit, meaning.
[[nodiscard]] std::string describe_ops();

/// The line about the exception being handled, which working on `input` has thrown.
[[nodiscard]] std::string failure_line(const std::filesystem::path& input);

}  // namespace halmix::command
