#include "generators/rounded_products.h"

namespace halmix {

using namespace Halide;
using namespace Halide::Internal;

namespace {

class RoundProducts : public IRMutator {
    using IRMutator::visit;

    bool on_device = false;

    Stmt visit(const For* loop) override {
        bool outside = on_device;
        on_device = on_device || is_gpu(loop->for_type);
        Stmt result = IRMutator::visit(loop);
        on_device = outside;
        return result;
    }

    Expr rounded(const Type& type, const Expr& a, const Expr& b) {
        if (!type.is_scalar()) throw CompileError("a product of vectors of floats: only scalars can be rounded");
        return Call::make(type, type.bits() == 64 ? "__nv_dmul_rn" : "__nv_fmul_rn", {a, b}, Call::PureExtern);
    }

    Expr visit(const Mul* op) override {
        if (!on_device || !op->type.is_float()) return IRMutator::visit(op);
        return rounded(op->type, mutate(op->a), mutate(op->b));
    }

    Expr visit(const Call* op) override {
        if (!on_device || !op->is_intrinsic(Call::strict_mul)) return IRMutator::visit(op);
        return rounded(op->type, mutate(op->args[0]), mutate(op->args[1]));
    }
};

}  // namespace

void keep_products_rounded(Pipeline pipeline, const Target& target) {
    if (target.has_feature(Target::CUDA)) pipeline.add_custom_lowering_pass(new RoundProducts);
}

}  // namespace halmix
