"""Training that knows the order of sampling: which masked positions count more.

Reference: Peng et al. 2025, *Planner Aware Path Learning in Diffusion Language Models Training*
(arXiv 2509.23405).
"""

from keras import ops


def planner_share(costs, masked, weight=None):
    """Each masked position's share of its row's confidence, from the costs `-log mu_x`.

    `w_i = mu_i(x_i) / sum_j mu_j(x_j)` over the masked positions of the row: the softmax of the
    log-probabilities of the true tokens, which is how a planner that reveals what the model is
    sure of weighs positions. They add up to 1 in a row. Positions that count nothing have no share,
    and take none from the others. No gradient.

    Args:
        costs: float tensor, nats, `[B, *data_shape]` or flattened.
        masked: bool tensor `[B, *data_shape]`, which positions are.
        weight: float tensor like `masked`, what positions count in the loss, or `None` for 1; a
            position takes part where it is not 0.

    Returns:
        float32 tensor like `masked`, 0 where it is not, or counts nothing.

    Example:

    >>> costs, masked = -np.log([[0.6, 0.2, 1.0]]), np.array([[True, True, False]])
    >>> print(np.asarray(planner_share(costs, masked)).round(2))
    [[0.75 0.25 0.  ]]
    """
    costs, masked = ops.convert_to_tensor(costs), ops.convert_to_tensor(masked)
    log_mu = -ops.cast(ops.reshape(ops.stop_gradient(costs), ops.shape(masked)), "float32")
    if weight is not None:
        masked = masked & ops.not_equal(weight, 0.0)
    axes = tuple(range(1, len(masked.shape)))
    log_mu = ops.where(masked, log_mu, -1e30)
    share = ops.exp(log_mu - ops.logsumexp(log_mu, axis=axes, keepdims=True))
    return ops.where(masked, share, 0.0)
