#include <memory>
#include <stdexcept>
#include <utility>

#include "op_chain.h"
#include "options.h"

namespace halmix::command {
namespace {

struct Options {
    std::string input;
    OutputOptions output;
    io::Acceptance accept;
    std::string ops;
    Fill fill{};
    std::string target = "auto";
};

void run(const Options& options) {
    const std::vector<OpCall> chain = as_usage([&] { return parse_chain(options.ops); });
    const io::Format format = single_result_format(options.output);
    const Engine engine = make_engine(options.target);
    try {
        const io::Image image = io::read(options.input, options.accept);
        io::Image result = image;
        engine.apply(chain, options.fill, image.view(), result.view());
        io::write(options.output.path, std::as_const(result).view(), format, options.output.quality);
    } catch (...) {
        throw std::runtime_error(failure_line(options.input));
    }
}

}  // namespace

void add_apply(CLI::App& app, int& exit_code) {
    const auto options = std::make_shared<Options>();
    CLI::App& apply = *app.add_subcommand("apply", "Apply ops one after another, without mixing");
    apply.add_option("IN", options->input, "JPEG or PNG file")->required()->type_name("");
    add_input_options(apply, options->accept);
    add_output_options(apply, options->output, "File for the result");
    apply.add_option("--ops", options->ops, "Ops with their values, separated by commas: NAME or NAME=VALUE")
        ->required()
        ->type_name("LIST");
    add_fill_option(apply, options->fill);
    add_target_option(apply, options->target);
    apply.footer([] {
        return describe_ops() +
               "Example:\n"
               "  halmix apply photo.jpg -o result.png --ops \"rotate=-12,equalize,color=1.3,translate_x=9\"";
    });
    apply.callback([options, &exit_code] {
        run(*options);
        exit_code = exit_done;
    });
}

}  // namespace halmix::command
