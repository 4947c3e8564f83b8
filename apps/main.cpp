#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <sstream>
#include <string>

#include "commands.h"
#include "interrupt.h"
#include "io/error.h"

void halmix::command::print(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return;
    throw io::Error::system("halmix: standard output", "cannot be written", errno);
}

namespace {

using namespace halmix::command;

/// In the place of a standard stream that is closed, what cannot be used as one. Else a file opened later would get its
/// number, and messages would be written to it.
void occupy_closed_streams() {
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(stream, F_GETFD) < 0) (void)::open("/dev/full", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
}

/// Reads the command line and does what it says.
void parse(CLI::App& app, int argc, char** argv) {
    try {
        app.parse(argc, argv);
        if (app.get_subcommands().empty()) throw CLI::RequiredError("A subcommand");
    } catch (const CLI::Success& help_or_version) {
        std::ostringstream text;
        app.exit(help_or_version, text);
        print(text.str());
    }
}

int run(int argc, char** argv) {
    CLI::App app{"AugMix for JPEG and PNG images, with the bytes of Pillow and Composer", "halmix"};
    app.set_version_flag("--version", "halmix " HALMIX_VERSION, "Print the version and exit");
    app.set_help_flag("-h,--help", "Print this help and exit");
    app.require_subcommand(0, 1);
    int exit_code = exit_done;
    add_augment(app, exit_code);
    add_apply(app, exit_code);
    add_replay(app, exit_code);
    add_figure(app, exit_code);
    add_targets(app, exit_code);
    add_compare(app, exit_code);
    // Last, since subcommands take over what is set before.
    app.footer(
        "Exit codes: 0 all done; 1 some inputs failed, the rest is done; 2 wrong command line.\n"
        "Example:\n"
        "  halmix augment photo.jpg -o augmented.jpg\n");
    try {
        parse(app, argc, argv);
        return exit_code;
    } catch (const CLI::ParseError& error) {
        std::string message = error.what();
        std::ranges::replace(message, '\n', ' ');
        std::string name = app.get_name();
        for (const CLI::App* subcommand : app.get_subcommands()) name += " " + subcommand->get_name();
        std::fprintf(stderr, "%s: %s (see %s --help)\n", name.c_str(), message.c_str(), name.c_str());
        return exit_usage;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return exit_failed;
    }
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): only for want of memory
int main(int argc, char** argv) {
    occupy_closed_streams();
    catch_interrupts();
    std::signal(SIGXFSZ, SIG_IGN);  // a file size limit is then an error like a full disk
    const int exit_code = run(argc, argv);
    end_if_interrupted();
    return exit_code;
}
