#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "options.h"

namespace halmix::command {

/// An image to work on.
struct Item {
    std::filesystem::path input;
    std::string name;  ///< path relative to the folder given, or the file's name: the list is sorted by its bytes
    std::filesystem::path output;
    io::Format format{};  ///< of the output
};

struct ItemList {
    std::vector<Item> items;            ///< sorted by name
    std::vector<std::string> failures;  ///< a line for each folder that gave nothing
};

/// Whether results go into the folder OUT: if it is one or ends in '/', if there are several inputs, or a folder.
[[nodiscard]] bool into_folder(const std::vector<std::string>& inputs, const OutputOptions& output);

/// Finds the images, in folders recursively, and names their results. Symbolic links to files are followed, those to
/// folders are not, nor is OUT itself searched where it lies inside an input folder.
/// Throws UsageError if two results would have one name or a result would replace another input.
[[nodiscard]] ItemList list_items(const std::vector<std::string>& inputs, const OutputOptions& output, int views);

/// The file of one of `views` results: NAME_v0.EXT, NAME_v1.EXT, ...; the name itself if there is only one.
[[nodiscard]] std::filesystem::path view_path(const std::filesystem::path& output, int view, int views);

}  // namespace halmix::command
