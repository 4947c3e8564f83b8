#pragma once

#include <CLI/CLI.hpp>
#include <string_view>

/// The command `halmix`: one file per subcommand, each with one function that adds it. A subcommand runs while the
/// command line is parsed and says how it went in `exit_code`; what it throws, `main` turns into a line and a code.
namespace halmix::command {

/// 0: all done; the others are documented in docs/command.md.
enum ExitCode : int { exit_done = 0, exit_failed = 1, exit_usage = 2 };

/// A wrong command line: one line on stderr, exit code 2.
using UsageError = CLI::ValidationError;

/// Writes to standard output, which nothing else does; throws io::Error unless all of it is written.
void print(std::string_view text);

void add_augment(CLI::App& app, int& exit_code);
void add_apply(CLI::App& app, int& exit_code);
void add_replay(CLI::App& app, int& exit_code);
void add_figure(CLI::App& app, int& exit_code);
void add_targets(CLI::App& app, int& exit_code);
void add_compare(CLI::App& app, int& exit_code);

}  // namespace halmix::command
