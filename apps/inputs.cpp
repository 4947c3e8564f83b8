#include "inputs.h"

#include <algorithm>
#include <map>
#include <system_error>
#include <unordered_map>
#include <utility>

namespace halmix::command {
namespace {

namespace fs = std::filesystem;

/// NAME with the extension that --format asks for, unless it says this format already.
fs::path result_name(fs::path name, std::optional<io::Format> format) {
    if (format && io::format_of(name) != format) name.replace_extension(*format == io::Format::jpeg ? ".jpg" : ".png");
    return name;
}

class Lister {
 public:
    explicit Lister(const OutputOptions& output) : output_(output) {}

    void add_file(const fs::path& input, const fs::path& name) {
        const fs::path result = result_name(name, output_.format);
        found_.items.push_back(
            {input, name.generic_string(), fs::path(output_.path) / result, result_format(result, output_.format)});
    }

    void add_folder(const fs::path& folder) {
        const std::size_t before = found_.items.size() + found_.failures.size();
        search(folder, {});
        if (found_.items.size() + found_.failures.size() == before) {
            fail(io::Error(folder, "holds no .jpg, .jpeg or .png file", "check the path"));
        }
    }

    ItemList take() { return std::move(found_); }

 private:
    void search(const fs::path& folder, const fs::path& name) {
        std::error_code error;
        for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
            const fs::path entry_name = name / it->path().filename();
            std::error_code ignored;  // an entry that cannot be looked at is neither a folder nor a file
            if (it->is_directory(ignored) && !it->is_symlink(ignored)) {
                if (!fs::equivalent(it->path(), output_.path, ignored)) search(it->path(), entry_name);
            } else if (it->is_regular_file(ignored) && io::format_of(entry_name)) {
                add_file(it->path(), entry_name);
            } else if (it->is_regular_file(ignored) && io::format_of("name" + entry_name.filename().string())) {
                fail(io::Error(it->path(), "has a name that is only an extension", "rename it"));  // a result has none
            }
        }
        if (error) fail(io::Error::system(folder, "cannot be searched", error.value()));
    }

    void fail(const io::Error& error) { found_.failures.emplace_back(error.what()); }

    const OutputOptions& output_;
    ItemList found_;
};

/// Folders by their one canonical path, whether they exist yet or not.
class Folders {
 public:
    const std::string& canonical(const fs::path& folder) {
        const auto [place, is_new] = known_.try_emplace(folder.string());
        if (is_new) {
            std::error_code ignored;
            place->second = fs::weakly_canonical("." / folder, ignored).string();
        }
        return place->second;
    }

 private:
    std::unordered_map<std::string, std::string> known_;
};

void check_names(const std::vector<Item>& items, int views) {
    std::unordered_map<std::string, const Item*> by_output;
    for (const Item& item : items) {
        const auto [other, is_new] = by_output.try_emplace(item.output.string(), &item);
        if (!is_new) {
            throw UsageError(io::printable(other->second->input) + " and " + io::printable(item.input) +
                             ": both results would be " + io::printable(item.output) + "; work on them one by one");
        }
    }

    Folders folders;
    std::unordered_map<std::string, std::map<fs::path, const Item*>> inputs;  // by folder, then by name
    for (const Item& item : items) {
        inputs[folders.canonical(item.input.parent_path())].emplace(item.input.filename(), &item);
    }
    for (const Item& item : items) {
        const auto folder = inputs.find(folders.canonical(item.output.parent_path()));
        if (folder == inputs.end()) continue;
        for (int view = 0; view < views; ++view) {
            const fs::path output = view_path(item.output, view, views);
            const auto other = folder->second.find(output.filename());
            if (other != folder->second.end() && other->second != &item) {
                throw UsageError(io::printable(item.input) + " and " + io::printable(other->second->input) +
                                 ": the result of the first would replace the second; choose another OUT");
            }
        }
    }
}

}  // namespace

bool into_folder(const std::vector<std::string>& inputs, const OutputOptions& output) {
    std::error_code ignored;  // what cannot be looked at is no folder; who opens it says why
    return output.path.ends_with('/') || inputs.size() > 1 || fs::is_directory(output.path, ignored) ||
           fs::is_directory(inputs.front(), ignored);
}

ItemList list_items(const std::vector<std::string>& inputs, const OutputOptions& output, int views) {
    if (!into_folder(inputs, output)) {
        const fs::path input = inputs.front();
        return {{{input, input.filename().generic_string(), output.path, single_result_format(output)}}, {}};
    }
    std::error_code ignored;
    if (fs::exists(output.path, ignored) && !fs::is_directory(output.path, ignored)) {
        throw UsageError(io::printable(output.path) + ": is not a folder; name one for the results");
    }
    Lister lister(output);
    for (const fs::path input : inputs) {
        if (fs::is_directory(input, ignored)) {
            lister.add_folder(input);
        } else {
            lister.add_file(input, input.filename());
        }
    }
    ItemList list = lister.take();
    std::ranges::sort(list.items, {}, &Item::name);
    check_names(list.items, views);
    return list;
}

fs::path view_path(const fs::path& output, int view, int views) {
    if (views == 1) return output;
    fs::path name = output.stem();
    name += "_v" + std::to_string(view);
    name += output.extension();
    return output.parent_path() / name;
}

}  // namespace halmix::command
