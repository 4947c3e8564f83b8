#include "gpu/gpu_workspace.h"

#include <string>
#include <tuple>

namespace halmix {

namespace {

const halide_type_t byte_type = halide_type_of<std::uint8_t>();

Shape<1> row(std::size_t count) { return {dimension(static_cast<std::ptrdiff_t>(count), 1)}; }

Shape<2> rows(std::size_t columns, std::size_t count) {
    auto row = static_cast<std::ptrdiff_t>(columns);
    return {dimension(row, 1), dimension(static_cast<std::ptrdiff_t>(count), row)};
}

}  // namespace

bool GpuWorkspace::reserve(const Needs& needs) {
    auto has = [](DeviceMemory& memory, std::size_t size) { return size == 0 || memory.reserve(size); };
    if (has(slots, needs.slots) && has(input, needs.input) && has(unpacked, needs.unpacked) &&
        has(between, needs.between) && has(resized, needs.resized) && has(output, needs.output) &&
        (needs.parameters == 0 || reserve_parameters(needs.parameters))) {
        return true;
    }
    for (DeviceMemory* memory : {&slots, &input, &unpacked, &between, &resized, &output, &parameters_}) {
        memory->release();
    }
    return false;
}

bool GpuWorkspace::reserve_parameters(std::size_t size) {
    // Batches differ a little.
    constexpr std::size_t unit = std::size_t{1} << 16;
    return parameters_.reserve(round_up(size, unit));
}

void GpuWorkspace::check(int status, std::string_view what) {
    if (status != 0) halmix::check(status, context, std::string(device.name).append(": ").append(what));
}

void GpuWorkspace::upload(const void* from, std::size_t size, const DeviceMemory& to) {
    Buffer<1> host(from, byte_type, row(size));
    DeviceArray<1> part(to, 0, byte_type, row(size));
    check(halide_buffer_copy(&context, &host, device.driver.interface(), &part), "upload");
}

void GpuWorkspace::download(const DeviceMemory& from, std::size_t offset, std::size_t size, void* to) {
    Buffer<1> host(to, byte_type, row(size));
    DeviceArray<1> part(from, offset, byte_type, row(size));
    check(halide_buffer_copy(&context, &part, nullptr, &host), "download");
}

void GpuWorkspace::copy(const DeviceMemory& from, std::size_t from_offset, const DeviceMemory& to,
                        std::size_t to_offset, std::size_t size) {
    DeviceArray<1> source(from, from_offset, byte_type, row(size)), part(to, to_offset, byte_type, row(size));
    check(halide_buffer_copy(&context, &source, device.driver.interface(), &part), "copy");
}

void GpuWorkspace::upload_parameters(const std::vector<std::uint8_t>& elements) {
    block_.clear();
    at_ = {.items = block_.add(resizes.items),
           .taps = block_.add(resizes.tables),
           .places = block_.add(launches.places),
           .fills = block_.add(launches.fills),
           .params = block_.add(launches.params),
           .tables = block_.add(launches.tables),
           .mix_places = block_.add(launches.mix_places),
           .mix_weights = block_.add(launches.mix_weights),
           .elements = block_.add(elements)};
    const std::size_t size = block_.bytes().size();
    if (!reserve_parameters(size)) check(halide_error_code_out_of_memory, "parameters");
    upload(block_.bytes().data(), size, parameters_);
}

void GpuWorkspace::unpack(const Part& part, const DeviceMemory& from, Layout layout) {
    DeviceArray<4> images(from, 0, byte_type, part.source.shape(part.images(), layout));
    DeviceArray<4> results(unpacked, 0, byte_type, part.source.shape(part.images(), Layout::u8_hwc));
    BatchUnpackFunction function = of_layout(gpu_row(gpu_).unpacks, part, layout);
    check(function(&context, &images, &results), "unpack");
}

void GpuWorkspace::resample(const ResampleLaunch& launch, const DeviceMemory& from, std::size_t pixels,
                            const DeviceMemory& to) {
    constexpr std::size_t members = sizeof(ResampleItem) / sizeof(std::int32_t);
    const std::size_t channels = launch.size.channels;
    DeviceArray<2> source(from, 0, byte_type, rows(channels, pixels));
    DeviceArray<2> items(parameters_, at_.items, halide_type_of<std::int32_t>(), rows(members, resizes.items.size()));
    DeviceArray<1> tables(parameters_, at_.taps, halide_type_of<std::int32_t>(), row(resizes.tables.size()));
    DeviceArray<4> results(to, launch.to, byte_type, launch.size.shape(launch.count, Layout::u8_hwc));
    BatchResampleFunction function = gpu_row(gpu_).resamples[channels == 1 ? 0 : 1];
    check(function(&context, &source, &items, &tables, launch.first, &results), "resize");
}

void GpuWorkspace::resize(const Part& part, const DeviceMemory& from) {
    for (const ResampleLaunch& launch : resizes.first_pass) {
        resample(launch, from, part.images() * part.source.width * part.source.height, between);
    }
    const auto count = static_cast<int>(resizes.images);
    resample({count, count, 0, part.size}, between, resizes.between_bytes / part.size.channels, resized);
}

void GpuWorkspace::compute_chains(const Part& part, const Originals& originals) {
    DeviceArray<4> first_images(originals.images, 0, byte_type, part.size.shape(originals.count, Layout::u8_hwc));
    DeviceArray<4> images(slots, 0, byte_type, part.size.shape(part.slots(), Layout::u8_hwc));
    DeviceArray<4> results(slots, 0, byte_type, part.size.shape(part.slots(), Layout::u8_hwc));
    DeviceArray<2> places(parameters_, at_.places, halide_type_of<std::int32_t>(), rows(2, launches.fills.size()));
    DeviceArray<1> fills(parameters_, at_.fills, halide_type_of<std::uint32_t>(), row(launches.fills.size()));
    DeviceArray<2> params(parameters_, at_.params, halide_type_of<double>(),
                          rows(std::tuple_size_v<Params>, launches.params.size()));
    DeviceArray<2> tables(parameters_, at_.tables, byte_type, rows(std::tuple_size_v<Table>, launches.tables.size()));
    for (const Launch& launch : launches.in_order) {
        const int status = launch.pipeline->batch_functions[gpu_](
            &context, launch.from_originals ? &first_images : &images, &places, &fills, &params, &tables, launch.first,
            launch.first_stage, launch.count, &results);
        check(status, launch.pipeline->name);
    }
}

void GpuWorkspace::mix(const Part& part, const Originals& from, const DeviceMemory& results, Layout layout) {
    const halide_type_t bits(halide_type_uint, static_cast<std::uint8_t>(8 * element_bytes(layout)));
    const std::size_t count = part.plans.size();
    DeviceArray<4> originals(from.images, 0, byte_type, part.size.shape(from.count, Layout::u8_hwc));
    DeviceArray<4> chains(slots, 0, byte_type, part.size.shape(part.slots(), Layout::u8_hwc));
    DeviceArray<2> places(parameters_, at_.mix_places, halide_type_of<std::int32_t>(), rows(part.chains + 1, count));
    DeviceArray<2> weights(parameters_, at_.mix_weights, halide_type_of<float>(), rows(part.chains + 1, count));
    DeviceArray<2> elements(parameters_, at_.elements, bits, rows(256, part.size.channels));
    DeviceArray<4> mixed(results, 0, bits, part.size.shape(count, layout));
    BatchMixFunction function = of_layout(gpu_row(gpu_).mixes, part, layout);
    check(function(&context, &originals, &chains, &places, &weights, &elements, &mixed), "mix");
}

}  // namespace halmix
