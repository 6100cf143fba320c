"""Names that people try, and what they are called here."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn

ENDINGS = re.compile(r"(?<=.)(loss|norm|penalty|term|reg(ulari[sz](er|ation))?)$")

NAMESPACES = (
    "jaxreg",
    "jaxreg.prox",
    "jaxreg.convert",
    "jaxreg.diagnostics",
    "jaxreg.testing",
    "jaxreg.tune",
)

HERE = {
    "l1": ("lasso", "laplace", "soft_threshold_penalty", "absolute"),
    "l2": ("ridge", "tikhonov", "frobenius", "sum_squares", "squared", "gaussian", "ssq", "l2sq"),
    "elastic_net(l1=…, l2=…)": ("elasticnet", "enet", "l1l2", "l1_l2", "elastic"),
    "l0": ("cardinality", "count_nonzero", "nnz"),
    "huber(delta)": ("smooth_l1", "pseudo_huber", "berhu"),
    "mcp(gamma)": ("minimax_concave", "mc_plus", "weighted_mcp", "weighted_mc"),
    "log_sum(eps)": ("log", "logsum", "reweighted_l1"),
    "group_lasso(axis)": (
        *("group", "l21", "l2_1", "l12", "group_sparsity", "group_l2", "grouped"),
        *("weighted_group", "weighted_group_l2", "adaptive_group_lasso"),
    ),
    "sparse_group_lasso(axis, l1_ratio)": ("sgl", "sparse_group"),
    "group_mcp(gamma, axis)": ("block_mcp", "block_mc", "gr_mcp", "grouped_mcp", "group_mc"),
    "group_scad(a, axis)": ("block_scad", "gr_scad", "grouped_scad"),
    "slope(weights)": ("sorted_l1", "owl", "oscar", "ordered_l1", "ordered_weighted_l1", "sorted"),
    "l1.weighted(weights)": ("weighted_l1", "adaptive_lasso", "penalty_factor", "weighted"),
    "l2.weighted(weights)": ("weighted_l2", "adaptive_ridge", "generalized_ridge"),
    "nuclear": ("trace", "low_rank", "schatten", "ky_fan"),
    "spectral": ("operator", "lipschitz", "spectral_normalization", "sigma_max"),
    "orthogonal(mode)": ("ortho", "orthonormal", "orthogonality", "isometry"),
    "non_negative": ("positive", "positivity", "nonneg", "non_neg", "nonnegativity"),
    "box(lower, upper)": ("clip", "bounds", "bounded", "interval", "min_max", "clamp"),
    "max_norm(bound, axis)": ("unit", "l2_ball", "ball", "norm_constraint", "clip_by_norm"),
    "decoupled_decay(rate, learning_rate)": (
        *("weight_decay", "decay", "decoupled_weight_decay", "adamw", "sgdw", "wd"),
        *("decoupled", "independent_decay", "add_weight_decay", "l2_decay"),
    ),
    "add_penalty_gradient(penalty)": (
        *("add_decayed_weights", "coupled_decay", "coupled", "add_penalty", "penalty"),
        *("add_regularization", "regularization", "regularizer", "penalize", "penalise"),
    ),
    "proximal_step(penalty, learning_rate)": (
        *("proximal", "proximal_gradient", "prox_step", "ista", "fista", "proximal_adam"),
        "prox_sgd",
    ),
    "project(constraint)": ("projection", "projected_gradient", "constrain", "constraint"),
    "regularized(loss, penalty)": (
        *("regularise", "regularize", "regularised", "regularized_loss", "penalized"),
        *("penalised", "with_penalty", "objective"),
    ),
    "weights.mask": ("mask", "decay_mask", "weight_decay_mask", "param_mask"),
    "weights": ("no_bias", "weight", "kernels", "kernel", "exclude_bias"),
    "biases": ("bias",),
    "where(rule)": ("select", "filter", "on", "rule", "match", "only"),
    "l2.around(reference)": ("l2_sp", "l2sp", "anchor", "around", "ewc", "distance"),
    "l2.prox(params, step)": ("prox_tree",),
    "audit(optimizer, params)": ("inspect", "diagnose", "explain", "check_optimizer", "check"),
    "describe(params, where)": ("summary", "summarize", "coverage", "show"),
    "grid(…)": ("product", "grid_search", "hyperparameters"),
    "prox.l1": ("soft_threshold", "soft_thresholding", "prox_l1", "prox_lasso", "shrink"),
    "prox.l0": ("hard_threshold", "hard_thresholding"),
    "tune.cross_validate(train, points)": (
        *("cross_validation", "crossval", "cv", "grid_search_cv", "cross_val_score", "lasso_cv"),
        *("validate", "cv_glmnet", "elastic_net_cv", "logistic_regression_cv", "validation_curve"),
    ),
    "tune.ridge_path(features, targets, strengths)": (
        *("ridge_cv", "leave_one_out", "loo", "loocv", "gcv", "ridge_regression"),
    ),
    "tune.evidence(features, targets)": (
        *("bayesian_ridge", "marginal_likelihood", "marglik", "empirical_bayes", "ard", "mackay"),
        "ard_regression",
    ),
    "tune.folds(examples)": ("kfold", "k_fold", "stratified_kfold", "group_kfold", "splits"),
    "tune.holdout(examples)": ("train_test_split", "validation_split", "split", "train_val_split"),
    "tune.strengths(low, high)": ("lambdas", "alphas", "logspace", "geomspace"),
    "tune.bayesian": ("optuna", "bayesian_optimization", "bayesopt", "bayes", "bo", "tpe"),
    "tune.random": ("random_search", "randomized_search"),
    "tune.sobol": ("sobol_search", "quasi_random", "qmc"),
    "tune.hypergradient": ("bilevel", "implicit_gradient", "hypergradient_descent"),
    "tune.checkpointed_scan": ("remat_scan", "checkpoint_scan"),
    "convert.to_torch_weight_decay": ("to_torch", "to_pytorch"),
    "convert.from_torch_weight_decay": ("from_torch", "from_pytorch", "torch", "pytorch"),
    "convert.to_logistic_c": ("to_sklearn_c", "logistic", "to_c"),
    "convert.to_decoupled_rate": ("to_adamw", "to_optax", "to_optax_adamw", "to_weight_decay"),
}
"""What is here, and what it is called elsewhere."""


def absent(module: str) -> Callable[[str], NoReturn]:
    """The ``__getattr__`` of a module: its error names what was probably meant."""

    def missing(name: str) -> NoReturn:
        meant = None if name.startswith("_") else _meant(module, name)
        error = ImportError if meant and _is_import_from() else AttributeError
        advice = f"write {meant}" if meant else f"help({module}) says what there is"
        raise error(f"module {module!r} has no attribute {name!r}; {advice}")

    return missing


def _is_import_from() -> bool:
    """Whether it is for ``from jaxreg import name``, which drops the text of an AttributeError."""
    return sys._getframe(2).f_code.co_name == "_handle_fromlist"


def _meant(module: str, name: str) -> str | None:
    elsewhere = (other for other in NAMESPACES if name in _public(other))
    if found := next(elsewhere, None):
        return f"{found}.{name}"
    bare = name.lower().removeprefix("prox_")
    if bare != name.lower() and bare in _public("jaxreg.prox"):
        return f"jaxreg.prox.{bare}"
    own = _public(module)
    here = ELSEWHERE.get(_plain(name)) or ELSEWHERE.get(ENDINGS.sub("", _plain(name)))
    if here and module != "jaxreg" and here.partition("(")[0] in own:
        return f"{module}.{here.partition('(')[0]}"
    if here:
        return f"jaxreg.{here}"
    near = difflib.get_close_matches(name, own, n=1, cutoff=0.6)
    return f"{module}.{near[0]}" if near else None


def _public(module: str) -> list[str]:
    things = vars(sys.modules[module]).items()
    return [name for name, thing in things if not name.startswith("_") and _is_ours(thing)]


def _is_ours(thing: Any) -> bool:
    return str(getattr(thing, "__module__", None) or type(thing).__module__).startswith("jaxreg")


def _plain(name: str) -> str:
    return name.lower().replace("_", "")


ELSEWHERE = {
    _plain(other): here
    for here, others in HERE.items()
    for other in (*others, here.partition("(")[0])
}
