#include "lowering/program.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <numbers>
#include <utility>

#include "halmix/plan.h"

namespace halmix {

namespace {

constexpr Table identity_table = [] {
    Table table{};
    for (int level = 0; level < 256; level++) table[level] = static_cast<std::uint8_t>(level);
    return table;
}();

void add_stage(Program& program, Kind kind, const Params& params) {
    program.kinds.push_back(kind);
    program.params.push_back(params);
}

/// Adds a table, composed with the one before it if that is the last stage.
template <typename Function>
void add_tone(Program& program, Function level_to_level) {
    const bool first = program.kinds.empty() || program.kinds.back() != Kind::tone;
    if (first) add_stage(program, Kind::tone, {});
    Table& table = program.tables[program.kinds.size() - 1];
    if (first) table = identity_table;
    for (std::uint8_t& level : table) level = level_to_level(level);
    if (table == identity_table) {
        program.kinds.pop_back();
        program.params.pop_back();
    }
}

/// Adds a shift, or adds it to the one before if no pixel comes back that the other has moved out.
void add_shift(Program& program, double x, double y, int width, int height) {
    x = std::clamp<double>(x, -width, width);
    y = std::clamp<double>(y, -height, height);
    if (!program.kinds.empty() && program.kinds.back() == Kind::shift) {
        Params& last = program.params.back();
        if (last[0] * x >= 0 && last[1] * y >= 0) {
            last[0] = std::clamp<double>(last[0] + x, -width, width);
            last[1] = std::clamp<double>(last[1] + y, -height, height);
            return;
        }
    }
    add_stage(program, Kind::shift, {x, y});
}

/// Python's round(value, 15) for values from -1 to 1: to the nearest decimal, by the exact value, half to even.
double round_to_15_decimals(double value) {
    constexpr double scale = 1e15;
    const double product = value * scale, error = std::fma(value, scale, -product);
    double whole = std::nearbyint(product);
    // Where the product lies half-way, its rounding tells on which side of it the exact one is.
    if (product - whole == 0.5 && error > 0) whole += 1;
    if (product - whole == -0.5 && error < 0) whole -= 1;
    return whole / scale;  // the double nearest to the decimal: both are whole numbers below 2^53
}

/// Sine and cosine of 0 to 2 pi, each the double nearest to it that long double finds. In long double they do not
/// depend on the processor. The C library takes longer to find the nearest quarter turn than for both.
std::pair<double, double> sine_and_cosine(double angle) {
    constexpr double quarter = std::numbers::pi / 2;
    constexpr long double more = 6.123233995736766035868820147292e-17L;  // by which pi / 2 is above that
    const int quarters = static_cast<int>((angle + quarter / 2) / quarter);
    const long double rest = angle - quarters * static_cast<long double>(quarter) - quarters * more;
    const auto s = static_cast<double>(std::sin(rest)), c = static_cast<double>(std::cos(rest));
    switch (quarters % 4) {
        case 0:
            return {s, c};
        case 1:
            return {c, -s};
        case 2:
            return {-s, -c};
        default:
            return {-c, s};
    }
}

/// Pillow's matrix for Image.rotate, from output to source, of degrees between -360 and 360. Quarter turns, for which
/// Pillow has code of its own, come out exact as well.
Params rotation(double degrees, int width, int height) {
    if (degrees < 0) degrees += 360.0;
    const auto [sine, cosine] = sine_and_cosine(degrees * (std::numbers::pi / 180));
    double c = round_to_15_decimals(cosine), s = -round_to_15_decimals(sine);  // the other way round
    double center_x = width / 2.0, center_y = height / 2.0;
    return {c, s, (c * -center_x + s * -center_y) + center_x, -s, c, (-s * -center_x + c * -center_y) + center_y};
}

/// The parameters of a blend: the factor and, if there are any, the integers that give its share of every difference of
/// levels D, with their form (generators/ops/blend.h). GPUs blend in floats and need none.
///
/// They must give the integers below or equal to D f, rounded to float32 as Pillow has it. Up to the largest |D| that
/// is not clipped anyway, these are the same for all f between two neighbouring fractions with denominators up to it,
/// which are more than 2^-16 apart; so a multiple of 2^-16 next to f does for either sign. If f is such a fraction but
/// for rounding, D f may be an integer, and the multiples above and below it are right for the two signs.
Params blend(float factor, Processor processor) {
    if (processor == Processor::gpu || !(factor >= 0 && factor < 100)) return {factor};
    auto product = [=](int difference) { return factor * static_cast<float>(difference); };
    auto parameters = [=](int not_negative, int negative) -> Params {
        const int whole = (not_negative + 0x8000) >> 16, rest = whole << 16;
        const int form = not_negative != negative ? 1 : whole > 1 ? 2 : whole == 1 ? 3 : 4;
        return {factor, static_cast<double>(form), static_cast<double>(whole), static_cast<double>(not_negative - rest),
                static_cast<double>(negative - rest)};
    };
    int largest = factor > 1 ? static_cast<int>(256 / factor) : 255;
    if (product(largest) >= 256) largest--;

    // Pillow's roundings of a product and a sum are 2^-17 each.
    constexpr double margin = 1.0 / 65536;
    // The neighbours, by the Stern-Brocot tree.
    struct Fraction {
        int numerator, denominator;
        double over;  // factor * denominator - numerator, exactly
    };
    const int whole = static_cast<int>(factor);
    Fraction below{whole - 1, 1, double{factor} - (whole - 1)}, above{1, 0, -1};
    while (below.denominator + above.denominator <= largest) {
        const Fraction between{below.numerator + above.numerator, below.denominator + above.denominator,
                               below.over + above.over};
        if (std::abs(between.over) < margin && product(between.denominator) == static_cast<float>(between.numerator)) {
            for (int n = 2; n * between.denominator <= largest; n++) {
                if (product(n * between.denominator) != static_cast<float>(n * between.numerator)) return {factor};
            }
            const int units = between.numerator << 16, floor = units / between.denominator;
            return parameters(floor + (units % between.denominator == 0 ? 0 : 1), floor);
        }
        (between.over < 0 ? above : below) = between;
    }

    // No product is closer to an integer than these two. Those that Pillow's roundings could carry across one have no
    // parameters.
    if (below.over <= margin || above.over >= -margin) return {factor};
    int units = static_cast<int>(double{factor} * 65536);
    if (units * below.denominator <= below.numerator << 16) units++;
    return parameters(units, units);
}

void add_op(Program& program, const OpCall& call, int width, int height, int channels, Processor processor) {
    // Pillow blends with the factor as float32.
    auto factor = static_cast<float>(call.value);
    switch (call.op) {
        case Op::autocontrast:
            return add_stage(program, Kind::autocontrast, {});
        case Op::equalize:
            return add_stage(program, Kind::equalize, {});
        case Op::posterize: {
            int mask = 0xFF00 >> static_cast<int>(call.value);
            return add_tone(program, [=](int level) { return static_cast<std::uint8_t>(level & mask); });
        }
        case Op::rotate:
            if (call.value == 0 || std::abs(call.value) == 360) return;
            return add_stage(program, Kind::affine, rotation(call.value, width, height));
        case Op::solarize:
            return add_tone(program, [=, threshold = static_cast<int>(call.value)](int level) {
                return static_cast<std::uint8_t>(level < threshold ? level : 255 - level);
            });
        case Op::shear_x:
            if (call.value == 0) return;
            return add_stage(program, Kind::shear_x, {call.value});
        case Op::shear_y:
            if (call.value == 0) return;
            return add_stage(program, Kind::shear_y, {call.value});
        case Op::translate_x:
            if (call.value == 0) return;
            return add_shift(program, call.value, 0, width, height);
        case Op::translate_y:
            if (call.value == 0) return;
            return add_shift(program, 0, call.value, width, height);
        case Op::color:
            if (factor == 1 || channels == 1) return;
            return add_stage(program, Kind::color, blend(factor, processor));
        case Op::contrast:
            if (factor == 1) return;
            return add_stage(program, Kind::contrast, blend(factor, processor));
        case Op::brightness:
            return add_tone(program, [=](int level) {
                return static_cast<std::uint8_t>(
                    std::clamp(static_cast<int>(factor * static_cast<float>(level)), 0, 255));
            });
        case Op::sharpness:
            if (factor == 1 || width < 3 || height < 3) return;
            return add_stage(program, Kind::sharpness, blend(factor, processor));
    }
}

bool runs_on(const PipelineRow& row, Processor processor) {
    if (processor == Processor::cpu) return row.functions.front() != nullptr;
    return std::ranges::any_of(row.batch_functions, [](BatchChainFunction function) { return function != nullptr; });
}

/// Of all kinds, each of which is a sequence of its own.
constexpr Sequence kind_count =
    std::ranges::max(pipeline_rows, {}, [](const PipelineRow& row) { return row.sequence & 31; }).sequence & 31;

/// A sequence of kinds in the tree of all that pipelines begin with.
struct Node {
    std::array<std::uint16_t, kind_count> longer{};  ///< by the kind that follows, the index of its node; 0 is none
    std::array<std::uint16_t, 2> rows{};  ///< of its pipelines for gray images and RGB; 0 is none, 1 the first
};

/// The first node is the empty sequence. Made by the compiler, so that nothing waits for whoever is the first to ask: a
/// forked child would wait for ever.
constexpr auto tree = [] {
    std::array<Node, std::size(pipeline_rows) * longest_sequence + 1> nodes{};
    std::uint16_t count = 1, index = 0;
    for (const PipelineRow& row : pipeline_rows) {
        std::uint16_t node = 0;
        for (Sequence rest = row.sequence; rest != 0; rest >>= 5) {
            std::uint16_t& next = nodes[node].longer[(rest & 31) - 1];
            if (next == 0) next = count++;
            node = next;
        }
        nodes[node].rows[row.channels == 1 ? 0 : 1] = ++index;
    }
    return nodes;
}();
static_assert(tree.size() <= 65536, "too many pipelines for indices of 16 bits");

constexpr const Node* root = tree.data();

/// From a sequence to one kind longer; the root if no pipeline begins so.
const Node* longer(const Node* node, Kind kind) { return root + node->longer[static_cast<std::size_t>(kind)]; }

/// The pipeline for a sequence, or null if the catalogue has none.
const PipelineRow* pipeline_of(const Node* node, int channels, Processor processor) {
    const int row = node->rows[channels == 1 ? 0 : 1];
    return row != 0 && runs_on(pipeline_rows[row - 1], processor) ? &pipeline_rows[row - 1] : nullptr;
}

/// Covers the stages with the fewest pipelines; among those, with the longest first.
void choose_steps(Program& program, int channels) {
    struct Cover {
        const PipelineRow* first;
        int end;    // of its stages
        int count;  // of pipelines
    };
    std::array<Cover, max_depth + 1> covers;  // of the stages from i on; those that are there are written first
    const int count = static_cast<int>(program.kinds.size());
    covers[count].count = 0;
    for (int i = count - 1; i >= 0; i--) {
        covers[i].count = max_depth + 1;
        const Node* node = longer(root, program.kinds[i]);
        for (int end = i + 1; node != root; end++) {
            const int with_rest = covers[end].count + 1;
            const PipelineRow* pipeline = pipeline_of(node, channels, Processor::cpu);
            if (pipeline != nullptr && with_rest <= covers[i].count) covers[i] = {pipeline, end, with_rest};
            if (end == count) break;
            node = longer(node, program.kinds[end]);
        }
    }
    for (int i = 0; i < count; i = covers[i].end) program.steps.push_back({covers[i].first, i});
}

}  // namespace

std::span<const Chain> chains_of(const Plan* plan) {
    if (plan == nullptr || plan->mix == 0) return {};
    return plan->chains;
}

const PipelineRow* find_whole(const Program& program, int channels, Processor processor) {
    const Node* node = root;
    for (Kind kind : program.kinds) {
        node = longer(node, kind);
        if (node == root) return nullptr;
    }
    return pipeline_of(node, channels, processor);
}

void lower(std::span<const OpCall> ops, int width, int height, int channels, Processor processor, Program& program) {
    program.kinds.clear();
    program.params.clear();
    program.tables.resize(std::max(program.tables.size(), ops.size()));
    program.steps.clear();
    for (const OpCall& call : ops) add_op(program, call, width, height, channels, processor);
    if (processor == Processor::cpu) return choose_steps(program, channels);
    // A copy is a pipeline as well: a shift by nothing.
    if (program.kinds.empty()) add_stage(program, Kind::shift, {});
    // It depends on the whole batch whether longer ones pay.
    for (int i = 0; i < std::ssize(program.kinds); i++) {
        program.steps.push_back({pipeline_of(longer(root, program.kinds[i]), channels, processor), i});
    }
}

}  // namespace halmix
