#include "gpu/device.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <mutex>
#include <utility>

#include "halmix/error.h"
#include "plan/text.h"

namespace halmix {

namespace {

/// The device that is asked for, as open_device takes it; the end if there is none.
auto find_device(const std::vector<FoundDevice>& found, std::string_view which) {
    int number = 0;
    auto [end, problem] = std::from_chars(which.data(), which.data() + which.size(), number);
    if (problem == std::errc() && end == which.data() + which.size()) {
        return std::ranges::find(found, number, &FoundDevice::number);
    }
    // "" is in every name.
    auto named = [&](const FoundDevice& device) { return device.name.find(which) != std::string::npos; };
    return std::ranges::find_if(found, named);
}

[[noreturn]] void refuse(const Driver& driver, std::string_view which, const FoundDevices& devices) {
    std::string asked(driver.name), names;
    if (!which.empty()) asked.append(":").append(text::one_line(which));
    for (const FoundDevice& device : devices.found) names += (names.empty() ? "" : ", ") + device.name;
    throw Error(Status::target_unavailable,
                "target " + asked + ": " + (names.empty() ? devices.problem : "no such device; there are " + names));
}

}  // namespace

const Device& open_device(DeviceApi api, std::string_view which) {
    static std::mutex mutex;
    static auto& opened = *new std::map<std::pair<DeviceApi, int>, Device>;
    std::scoped_lock lock(mutex);
    const Driver& driver = halmix::driver(api);
    const FoundDevices devices = driver.find();
    const auto found = find_device(devices.found, which);
    if (found == devices.found.end()) refuse(driver, which, devices);
    auto device = opened.find({api, found->number});
    if (device == opened.end()) {
        const std::string name =
            std::string(driver.name) + ":" + std::to_string(found->number) + " (" + found->name + ")";
        device = opened.insert({{api, found->number}, {driver, name, driver.open(*found, name)}}).first;
    }
    return device->second;
}

void set_device(Context& context, const Device& device, const Queue& queue) {
    context.device_context = queue.context != nullptr ? queue.context : device.queue.context;
    context.stream = queue.stream != nullptr ? queue.stream : device.queue.stream;
    context.launches = 0;
    context.forget_message();
}

void wait(Context& context, const Device& device) {
    check(halide_device_sync_global(&context, device.driver.interface()), context, device.name);
}

DeviceMemory::~DeviceMemory() { release(); }

bool DeviceMemory::reserve(std::size_t size) {
    if (device != 0 && size <= this->size()) return true;
    release();
    if (size > most_bytes) return false;
    dim[0].extent = static_cast<std::int32_t>(size);
    const int status = owner_.driver.allocate(context_, *this);
    if (status == 0) return true;
    dim[0].extent = 0;
    if (!is_out_of_device_memory(context_)) check(status, context_, owner_.name);
    context_.forget_message();
    return false;
}

void DeviceMemory::wrap(const void* data, std::size_t size) {
    release();
    if (size > most_bytes) {
        throw Error(Status::invalid_argument, "batch: " + std::to_string(size) + " bytes on " + owner_.name +
                                                  "; at most 2^31 - 1 in one cl_mem: make it several batches");
    }
    dim[0].extent = static_cast<std::int32_t>(size);
    check(owner_.driver.wrap(context_, *this, data), context_, owner_.name);
    wrapped_ = true;
}

void DeviceMemory::release() {
    if (device == 0) return;
    if (wrapped_) {
        owner_.driver.detach(context_, *this);
    } else {
        owner_.driver.free(context_, *this);
    }
    wrapped_ = false;
    dim[0].extent = 0;
}

void crop_device_memory(const DeviceMemory& memory, halide_buffer_t& crop) {
    check(halide_device_crop(&memory.context(), &memory, &crop), memory.context(), "a part of the device's memory");
}

}  // namespace halmix
