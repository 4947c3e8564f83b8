#include "halmix/sampler.h"

#include <Random123/philox.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <span>
#include <string>

#include "halmix/error.h"
#include "plan/exact_math.h"
#include "plan/guard.h"
#include "plan/text.h"

namespace halmix {
namespace {

constexpr int max_random_depth = 3;
constexpr int max_pixels = std::numeric_limits<int>::max();

[[noreturn]] void refuse(const std::string& message) { throw Error(Status::invalid_argument, message); }

// ---- Random numbers

/// What numbers are for. Each has a half of the key's blocks to itself, so that ops do not depend on whether there is a
/// crop.
enum class Use : std::uint32_t { ops = 0, crop = 0x8000 };

/// The random numbers of one key and use, in order.
class Stream {
 public:
    Stream(const Key& key, Use use)
        : key_{{low(key.seed), high(key.seed)}},
          counter_{{low(key.index), high(key.index), key.epoch,
                    std::uint32_t{key.view} << 16 | static_cast<std::uint32_t>(use)}} {}

    /// 32 bits.
    std::uint32_t word() {
        if (used_ == words_.size()) next_blocks();
        return words_[used_++];
    }

    /// A multiple of 2^-53 in [0, 1).
    double uniform() {
        const std::uint64_t first = word();
        const std::uint64_t bits = (first << 32 | word()) >> 11;
        return static_cast<double>(bits) * 0x1p-53;
    }

    double uniform(double low, double high) { return low + (high - low) * uniform(); }

    /// In (0, 1], for taking logarithms.
    double positive_uniform() { return 1 - uniform(); }

    /// One of 0 .. count - 1, all exactly equally likely (Lemire, 2019).
    std::uint32_t below(std::uint32_t count) {
        const std::uint32_t excess = -count % count;  // 2^32 modulo count: so many words are one too many
        std::uint64_t product = 0;
        do {
            product = std::uint64_t{word()} * count;
        } while (low(product) < excess);
        return high(product);
    }

    /// Standard normal (Marsaglia's polar method, one of the pair).
    double normal() {
        for (;;) {
            const double x = 2 * uniform() - 1;
            const double y = 2 * uniform() - 1;
            const double square = x * x + y * y;
            if (square > 0 && square < 1) return x * std::sqrt(-2 * exact::log(square) / square);
        }
    }

 private:
    static constexpr std::uint32_t last_block = 0x7fff;  // of a use

    static std::uint32_t low(std::uint64_t bits) { return static_cast<std::uint32_t>(bits); }
    static std::uint32_t high(std::uint64_t bits) { return static_cast<std::uint32_t>(bits >> 32); }

    void next_blocks() {
        // A plan takes some hundred blocks at most unless its rejections beat odds of 1 to 10^1000; this makes sure
        // that another use's or view's numbers are never used.
        if (block_ > last_block) refuse("sample: the key's random numbers are used up");
        for (std::size_t i = 0; i < words_.size(); i += 4) {
            r123::Philox4x32_R<10>::ctr_type counter = counter_;
            counter[3] |= block_++;
            const auto block = r123::Philox4x32_R<10>()(counter, key_);
            std::copy(block.begin(), block.end(), words_.begin() + i);
        }
        used_ = 0;
    }

    r123::Philox4x32_R<10>::key_type key_;
    r123::Philox4x32_R<10>::ctr_type counter_;
    std::array<std::uint32_t, 8> words_;  // two blocks: a processor computes them side by side
    std::size_t used_ = words_.size();
    std::uint32_t block_ = 0;
};

/// The logarithm of a Gamma(shape) variate less that of shape - 1/3, for shape >= 1 (Marsaglia and Tsang, 2000).
double log_gamma_variate(Stream& stream, double shape) {
    // Beyond this the test's own rounding exceeds the chance that it rejects, and later it would be inf - inf.
    constexpr double always_accepted = 1e9;
    const double d = shape - 1.0 / 3;
    const double c = 1 / (3 * std::sqrt(d));
    for (;;) {
        const double x = stream.normal();
        const double root = 1 + c * x;
        if (root <= 0) continue;
        const double log_v = 3 * exact::log1p(c * x);
        if (d > always_accepted) return log_v;
        const double v = root * root * root;
        if (exact::log(stream.positive_uniform()) < 0.5 * x * x + d * (1 - v + log_v)) return log_v;
    }
}

/// Dirichlet(alpha, ..., alpha).
void draw_shares(Stream& stream, double alpha, std::span<double> shares) {
    if (alpha == 1) {  // the gaps between sorted uniform cuts
        const auto cuts = shares.first(shares.size() - 1);
        for (double& cut : cuts) cut = stream.uniform();
        std::sort(cuts.begin(), cuts.end());
        shares.back() = 1;
        for (std::size_t i = shares.size() - 1; i > 0; --i) shares[i] -= shares[i - 1];
        return;
    }
    // Gamma variates over their sum, as logarithms times `scale`, so that no alpha is too small: for alpha < 1,
    // Gamma(alpha) = Gamma(alpha + 1) * U^(1 / alpha).
    const double scale = alpha < 1 ? alpha : 1;
    for (double& share : shares) {
        share = scale * log_gamma_variate(stream, alpha < 1 ? alpha + 1 : alpha);
        if (alpha < 1) share += exact::log(stream.positive_uniform());
    }
    const double largest = *std::max_element(shares.begin(), shares.end());
    double sum = 0;
    for (double& share : shares) sum += share = exact::exp((share - largest) / scale);
    for (double& share : shares) share /= sum;
}

/// Beta(alpha, alpha).
double draw_share(Stream& stream, double alpha) {
    std::array<double, 2> shares{};
    draw_shares(stream, alpha, shares);
    return shares[0];
}

// ---- The crop

/// Puts the box into `crop`, whose source it has to fit in.
void draw_box(Stream& stream, const RandomResizedCrop& from, ResizedCrop& crop) {
    constexpr int tries = 10;
    const double source_width = crop.source_width, source_height = crop.source_height;
    const double min_log = exact::log(from.min_ratio), max_log = exact::log(from.max_ratio);
    const auto fits = [](double side, double source_side) { return side >= 1 && side <= source_side; };
    for (int n = 0; n < tries; ++n) {
        const double area = source_width * source_height * stream.uniform(from.min_scale, from.max_scale);
        const double ratio = exact::exp(stream.uniform(min_log, max_log));
        const double width = std::nearbyint(std::sqrt(area * ratio));  // half to even
        const double height = std::nearbyint(std::sqrt(area / ratio));
        if (!fits(width, source_width) || !fits(height, source_height)) continue;  // also infinity and no number
        crop.width = static_cast<int>(width);
        crop.height = static_cast<int>(height);
        crop.top = static_cast<int>(stream.below(crop.source_height - crop.height + 1));
        crop.left = static_cast<int>(stream.below(crop.source_width - crop.width + 1));
        return;
    }
    crop.width = crop.source_width;
    crop.height = crop.source_height;
    const double ratio = source_width / source_height;
    const auto side = [](double length) { return static_cast<int>(std::max(1.0, std::nearbyint(length))); };
    if (ratio < from.min_ratio) crop.height = side(source_width / from.min_ratio);
    if (ratio > from.max_ratio) crop.width = side(source_height * from.max_ratio);
    crop.left = (crop.source_width - crop.width) / 2;
    crop.top = (crop.source_height - crop.height) / 2;
}

ResizedCrop draw_crop(const RandomResizedCrop& from, Key key, int source_width, int source_height) {
    key.view = 0;  // views are of the same crop
    Stream stream(key, Use::crop);
    ResizedCrop crop{
        .source_width = source_width, .source_height = source_height, .filter = from.filter, .order = from.order};
    draw_box(stream, from, crop);
    crop.mirror = stream.uniform() < from.mirror;
    return crop;
}

// ---- The values of ops

/// How an op's value is drawn. Most start from a level, uniform between 0.1 and the severity; a magnitude is
/// level * maximum / 10.
enum class ValueLaw : unsigned char {
    none,
    remainder,     ///< maximum - whole magnitude; the parameter is the maximum
    signed_whole,  ///< whole magnitude of either sign; the parameter is the maximum
    signed_real,   ///< magnitude of either sign; the parameter is the maximum
    shift_x,       ///< signed_whole with the maximum width / parameter
    shift_y,       ///< signed_whole with the maximum height / parameter
    factor,        ///< see FactorLaw; a symmetric one above 1 is multiplied by the parameter
};

/// Which of Composer's sets an op is in. They are what they are: an op that Composer lacks is in none, or every plan
/// ever drawn from them would be another.
enum class Sets : unsigned char {
    none,
    safe,      ///< all, safe and original
    not_safe,  ///< all and original; in the latter with FactorLaw::original
};

struct ValueRow {
    Op op;
    ValueLaw law;
    double parameter = 0;
    Sets sets = Sets::none;
};

/// A row for each op that draws a value or is in a set. Source: Composer's augmentation_primitives and
/// augmentation_sets.
constexpr auto value_table = std::to_array<ValueRow>({
    {Op::autocontrast, ValueLaw::none, 0, Sets::safe},
    {Op::equalize, ValueLaw::none, 0, Sets::safe},
    {Op::posterize, ValueLaw::remainder, 4, Sets::safe},
    {Op::rotate, ValueLaw::signed_whole, 30, Sets::safe},
    {Op::solarize, ValueLaw::remainder, 256, Sets::safe},
    {Op::shear_x, ValueLaw::signed_real, 0.3, Sets::safe},
    {Op::shear_y, ValueLaw::signed_real, 0.3, Sets::safe},
    {Op::translate_x, ValueLaw::shift_x, 3, Sets::safe},
    {Op::translate_y, ValueLaw::shift_y, 3, Sets::safe},
    {Op::color, ValueLaw::factor, 1, Sets::not_safe},
    {Op::contrast, ValueLaw::factor, 1, Sets::not_safe},
    {Op::brightness, ValueLaw::factor, 0.75, Sets::not_safe},
    {Op::sharpness, ValueLaw::factor, 1, Sets::not_safe},
});

/// The rows by op; an op without one draws nothing.
constexpr auto value_rows = [] {
    std::array<ValueRow, 256> rows{};
    for (const ValueRow& row : value_table) rows[static_cast<std::size_t>(row.op)] = row;
    return rows;
}();

const ValueRow& value_row(Op op) { return value_rows[static_cast<std::size_t>(op)]; }

double draw_value(Stream& stream, const OpChoice& choice, double severity, int width, int height) {
    const auto& [op, law, parameter, sets] = value_row(choice.op);
    const auto magnitude = [&](double maximum) { return stream.uniform(0.1, severity) * maximum / 10; };
    const auto either_sign = [&](double value) {
        return stream.uniform() > 0.5 ? 0 - value : value;  // not -value: there is no -0
    };
    switch (law) {
        case ValueLaw::none:
            return 0;
        case ValueLaw::remainder:
            return parameter - std::trunc(magnitude(parameter));
        case ValueLaw::signed_whole:
            return either_sign(std::trunc(magnitude(parameter)));
        case ValueLaw::signed_real:
            return either_sign(magnitude(parameter));
        case ValueLaw::shift_x:
            return either_sign(std::trunc(magnitude(width / parameter)));
        case ValueLaw::shift_y:
            return either_sign(std::trunc(magnitude(height / parameter)));
        case ValueLaw::factor:
            break;
    }
    if (choice.law == FactorLaw::original) return magnitude(1.8) + 0.1;
    const bool stronger = stream.uniform() > 0.5;
    const double factor = stronger ? stream.uniform(1, severity) : stream.uniform(1 - 0.09 * severity, 1);
    return factor > 1 ? factor * parameter : factor;
}

// ---- The choice of ops

const OpChoice& draw_choice(Stream& stream, std::span<const OpChoice> choices, double total_weight) {
    const double target = stream.uniform() * total_weight;
    double sum = 0;
    for (const OpChoice& choice : choices) {
        sum += choice.weight;  // if it is 0, the sum is still not above the target
        if (target < sum) return choice;
    }
    // Weights are subnormal, and the target was rounded up to the total.
    const auto not_zero = [](const OpChoice& choice) { return choice.weight > 0; };
    return *std::find_if(choices.rbegin(), choices.rend(), not_zero);
}

/// Throws unless they can be drawn from; returns the sum of their weights.
double check_choices(std::span<const OpChoice> choices) {
    if (choices.empty()) refuse("ops: empty; at least one op is needed");
    const std::size_t op_count = ops().size();
    double total = 0;
    for (const OpChoice& choice : choices) {
        if (static_cast<std::size_t>(choice.op) >= op_count) refuse("ops: an op that does not exist");
        const auto name = [&] { return std::string(info(choice.op).name); };
        if (value_row(choice.op).law == ValueLaw::none && info(choice.op).type != ValueType::none) {
            refuse("ops: " + name() + " cannot be drawn: there is no law for its value");
        }
        if (!(choice.weight >= 0 && choice.weight <= std::numeric_limits<double>::max())) {
            refuse("ops: weight " + text::number(choice.weight) + " for " + name() +
                   "; allowed are finite numbers from 0 up");
        }
        total += choice.weight;
    }
    if (total == 0) refuse("ops: all weights are 0; at least one must be above");
    if (total > std::numeric_limits<double>::max()) refuse("ops: the weights are too large to be added");
    return total;
}

/// A word of an op list, and what it stands for.
struct Term {
    std::string name;
    std::vector<OpChoice> choices;
};

std::vector<Term> vocabulary() {
    std::vector<Term> terms{{"all", {}}, {"safe", {}}, {"original", {}}};
    for (const OpInfo& row : ops()) {
        const auto [op, law, parameter, sets] = value_row(row.op);
        const bool has_factor = law == ValueLaw::factor;
        const OpChoice symmetric{.op = row.op};
        const OpChoice original{.op = row.op, .law = has_factor ? FactorLaw::original : FactorLaw::symmetric};
        if (sets != Sets::none) terms[0].choices.push_back(symmetric);
        if (sets == Sets::safe) terms[1].choices.push_back(symmetric);
        if (sets != Sets::none) terms[2].choices.push_back(original);
        terms.push_back({std::string(row.name), {symmetric}});
        if (has_factor) terms.push_back({std::string(row.name) + "_original", {original}});
    }
    return terms;
}

const Term& find_term(const std::vector<Term>& terms, std::string_view name) {
    for (const Term& term : terms) {
        if (term.name == name) return term;
    }
    refuse("ops: " + (name.empty() ? "an item is empty" : text::quoted(name) + " is not known") + "; allowed are " +
           text::joined(terms, &Term::name));
}

double parse_weight(std::string_view digits) {
    double weight = 0;
    const char* const end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, weight);
    if (error != std::errc{} || stop != end) refuse("ops: weight " + text::quoted(digits) + " is not a number");
    return weight;
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n";
    const std::size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) + 1 - first);
}

// ---- Arguments

void check_range(const char* name, double value, double min, double max, const char* kind) {
    if (value >= min && value <= max) return;
    refuse(std::string(name) + ": " + text::number(value) + "; allowed are " + kind + " " + text::number(min) + ".." +
           text::number(max));
}

/// Throws unless min <= value, and both are finite and above 0.
void check_ratio(const char* name, double value, double min) {
    if (value > 0 && value >= min && value <= std::numeric_limits<double>::max()) return;
    refuse(std::string(name) + ": " + text::number(value) + "; allowed are finite numbers " +
           (min > 0 ? "from " + text::number(min) + " up" : "above 0"));
}

/// Throws unless the value of an enumeration has a name.
template <typename Enum>
void check_named(const char* member, Enum value) {
    try {
        static_cast<void>(name(value));
    } catch (const Error& error) {
        if (error.status() == Status::out_of_memory) throw;
        refuse(std::string(member) + ": " + error.what());
    }
}

void check_source(int width, int height) {
    check_range("image width", width, 1, max_pixels, "whole numbers");
    check_range("image height", height, 1, max_pixels, "whole numbers");
}

void check_crop(const RandomResizedCrop& crop) {
    check_range("crop.width", crop.width, 1, max_pixels, "whole numbers");
    check_range("crop.height", crop.height, 1, max_pixels, "whole numbers");
    check_range("crop.min_scale", crop.min_scale, 0, 1, "numbers");
    check_range("crop.max_scale", crop.max_scale, crop.min_scale, 1, "numbers");
    check_ratio("crop.min_ratio", crop.min_ratio, 0);
    check_ratio("crop.max_ratio", crop.max_ratio, crop.min_ratio);
    check_range("crop.mirror", crop.mirror, 0, 1, "numbers");
    check_named("crop.filter", crop.filter);
    check_named("crop.order", crop.order);
}

/// Throws unless the policy is valid; returns the sum of its ops' weights.
double check_policy(const Policy& policy) {
    check_range("severity", policy.severity, 0, 10, "numbers");
    check_range("width", policy.width, 1, max_width, "whole numbers");
    if (policy.depth != -1) check_range("depth", policy.depth, 1, max_depth, "-1 and whole numbers");
    if (!(policy.alpha > 0 && policy.alpha <= std::numeric_limits<double>::max())) {
        refuse("alpha: " + text::number(policy.alpha) + "; allowed are finite numbers above 0");
    }
    const double total = check_choices(policy.ops);
    if (policy.crop) check_crop(*policy.crop);
    return total;
}

/// Size and crop of a plan.
void start(const Policy& policy, const Key& key, int width, int height, Plan& plan) {
    check_source(width, height);
    plan.width = width;
    plan.height = height;
    plan.resized_crop.reset();
    if (!policy.crop) return;
    plan.width = policy.crop->width;
    plan.height = policy.crop->height;
    plan.resized_crop = draw_crop(*policy.crop, key, width, height);
}

}  // namespace

std::vector<OpChoice> parse_op_choices(std::string_view list) {
    return guarded([&] {
        const std::vector<Term> terms = vocabulary();
        std::vector<OpChoice> choices;
        for (bool more = true; more;) {
            const std::size_t comma = list.find(',');
            const std::string_view item = list.substr(0, comma);
            const std::size_t colon = item.find(':');
            const double weight = colon == std::string_view::npos ? 1 : parse_weight(trimmed(item.substr(colon + 1)));
            for (OpChoice choice : find_term(terms, trimmed(item.substr(0, colon))).choices) {
                choice.weight = weight;
                choices.push_back(choice);
            }
            more = comma != std::string_view::npos;
            if (more) list.remove_prefix(comma + 1);
        }
        check_choices(choices);
        return choices;
    });
}

void validate(const Policy& policy) {
    return guarded([&] { check_policy(policy); });
}

void sample_clean(const Policy& policy, const Key& key, int width, int height, Plan& plan) {
    return guarded([&] {
        check_policy(policy);
        start(policy, key, width, height, plan);
        plan.mix = 0;
        plan.fill = policy.fill;
        plan.chains.resize(1);
        plan.chains[0].weight = 1;
        plan.chains[0].ops.clear();
    });
}

ResizedCrop sample_crop(const RandomResizedCrop& crop, const Key& key, int width, int height) {
    return guarded([&] {
        check_crop(crop);
        check_source(width, height);
        return draw_crop(crop, key, width, height);
    });
}

Plan sample(const Policy& policy, const Key& key, int width, int height) {
    return guarded([&] {
        Plan plan;
        sample(policy, key, width, height, plan);
        return plan;
    });
}

void sample(const Policy& policy, const Key& key, int width, int height, Plan& plan) {
    return guarded([&] {
        const double total_weight = check_policy(policy);
        start(policy, key, width, height, plan);
        Stream stream(key, Use::ops);
        std::array<double, max_width> memory;
        const auto shares = std::span(memory).first(static_cast<std::size_t>(policy.width));
        draw_shares(stream, policy.alpha, shares);

        plan.mix = static_cast<float>(draw_share(stream, policy.alpha));
        plan.fill = policy.fill;
        plan.chains.resize(shares.size());
        for (std::size_t i = 0; i < shares.size(); ++i) {
            Chain& chain = plan.chains[i];
            chain.weight = static_cast<float>(shares[i]);
            chain.ops.clear();
            chain.ops.reserve(static_cast<std::size_t>(policy.depth > 0 ? policy.depth : max_random_depth));
            const int depth = policy.depth > 0 ? policy.depth : 1 + static_cast<int>(stream.below(max_random_depth));
            for (int n = 0; n < depth; ++n) {
                const OpChoice& choice = draw_choice(stream, policy.ops, total_weight);
                chain.ops.push_back({choice.op, draw_value(stream, choice, policy.severity, plan.width, plan.height)});
            }
        }
    });
}

}  // namespace halmix
