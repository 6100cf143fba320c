"""λ in other conventions, and back. jaxreg's own: mean data loss + λ Σ|w|² (+ λ₁ Σ|w|), no ½.

Each pair ``to_x(number, …)``, ``from_x(number, …)`` is exact and each other's inverse. Numbers may
be traced. Python numbers that are negative or not finite raise a ValueError, as do zeros by which
the formula divides.

Of a penalty in the loss, or coupled: λ as

- `to_torch_weight_decay`: PyTorch's SGD and Adam, ``optax.add_decayed_weights`` before one: 2λ
- `to_half_l2`: the papers' ½λ'‖w‖²: 2λ
- `to_keras_l2`: Keras's ``regularizers.L2``: λ
- `to_ridge_alpha`, `to_logistic_c`, `to_elastic_net`, `to_logistic_elastic_net`: scikit-learn,
  which sums over n examples
- `to_prior_precision`: the Gaussian prior that λ amounts to: 2nλ

Of decay beside the step, which for SGD is the same thing: λ as

- `to_decoupled_rate`: ``decoupled_decay(rate, learning_rate)``, with the learning rate: 2λ/(1 − μ)
- `to_paper_decay`: SGDW as published, without it: 2αλ/(1 − μ)

Of decay beside the step, for every optimizer: the ways to write one

- `to_independent_decay`: a rate that the learning rate multiplies, as published, without it: αω
- `to_normalized_decay`: a published decay, as a number that does for any length of training
- `to_timescale`: a rate, as the epochs that AdamW averages over: the same for any batch size
- `to_total_decay`: a rate under a schedule, summed over the training

Between the penalty in the loss and decay beside the step of Adam there is no conversion: no λ makes
them equal (Loshchilov & Hutter 2019, proposition 2). ``optimizer="adam"`` raises and says so.
"""

from jaxreg._messages.names import absent
from jaxreg.convert._rates import from_decoupled_rate as from_decoupled_rate
from jaxreg.convert._rates import from_independent_decay as from_independent_decay
from jaxreg.convert._rates import from_normalized_decay as from_normalized_decay
from jaxreg.convert._rates import from_paper_decay as from_paper_decay
from jaxreg.convert._rates import from_timescale as from_timescale
from jaxreg.convert._rates import from_total_decay as from_total_decay
from jaxreg.convert._rates import to_decoupled_rate as to_decoupled_rate
from jaxreg.convert._rates import to_independent_decay as to_independent_decay
from jaxreg.convert._rates import to_normalized_decay as to_normalized_decay
from jaxreg.convert._rates import to_paper_decay as to_paper_decay
from jaxreg.convert._rates import to_timescale as to_timescale
from jaxreg.convert._rates import to_total_decay as to_total_decay
from jaxreg.convert._strengths import ElasticNetParameters as ElasticNetParameters
from jaxreg.convert._strengths import ElasticNetStrengths as ElasticNetStrengths
from jaxreg.convert._strengths import LogisticParameters as LogisticParameters
from jaxreg.convert._strengths import from_elastic_net as from_elastic_net
from jaxreg.convert._strengths import from_half_l2 as from_half_l2
from jaxreg.convert._strengths import from_keras_l2 as from_keras_l2
from jaxreg.convert._strengths import from_logistic_c as from_logistic_c
from jaxreg.convert._strengths import from_logistic_elastic_net as from_logistic_elastic_net
from jaxreg.convert._strengths import from_prior_precision as from_prior_precision
from jaxreg.convert._strengths import from_ridge_alpha as from_ridge_alpha
from jaxreg.convert._strengths import from_torch_weight_decay as from_torch_weight_decay
from jaxreg.convert._strengths import to_elastic_net as to_elastic_net
from jaxreg.convert._strengths import to_half_l2 as to_half_l2
from jaxreg.convert._strengths import to_keras_l2 as to_keras_l2
from jaxreg.convert._strengths import to_logistic_c as to_logistic_c
from jaxreg.convert._strengths import to_logistic_elastic_net as to_logistic_elastic_net
from jaxreg.convert._strengths import to_prior_precision as to_prior_precision
from jaxreg.convert._strengths import to_ridge_alpha as to_ridge_alpha
from jaxreg.convert._strengths import to_torch_weight_decay as to_torch_weight_decay

__getattr__ = absent("jaxreg.convert")
