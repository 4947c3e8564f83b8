#include <memory>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "options.h"
#include "plan_file.h"

namespace halmix::command {
namespace {

struct Options {
    std::string input;
    OutputOptions output;
    io::Acceptance accept;
    std::string plan;
    std::string target = "auto";
};

void run(const Options& options) {
    const io::Format format = single_result_format(options.output);
    const Engine engine = make_engine(options.target);
    const Plan plan = read_plan(options.plan);
    try {
        const io::Image image = io::read(options.input, options.accept);
        check_size(plan, options.plan, image, options.input);
        io::Image result = result_for(plan, image);
        engine.run(plan, image.view(), result.view());
        io::write(options.output.path, std::as_const(result).view(), format, options.output.quality);
    } catch (...) {
        throw std::runtime_error(failure_line(options.input));
    }
}

}  // namespace

void add_replay(CLI::App& app, int& exit_code) {
    const auto options = std::make_shared<Options>();
    CLI::App& replay = *app.add_subcommand("replay", "Compute the result of a plan");
    replay.add_option("IN", options->input, "JPEG or PNG file of the size that the plan is for")
        ->required()
        ->type_name("");
    add_input_options(replay, options->accept);
    add_output_options(replay, options->output, "File for the result");
    replay.add_option("--plan", options->plan, "Plan, as `halmix augment --plan-out` writes it")
        ->required()
        ->type_name("FILE");
    add_target_option(replay, options->target);
    replay.footer(
        "Example:\n"
        "  halmix replay photo.jpg -o result.png --plan plan.json\n");
    replay.callback([options, &exit_code] {
        run(*options);
        exit_code = exit_done;
    });
}

}  // namespace halmix::command
