"""Dtype policies of the layers in a network, some of which may hold their weights in few bits."""

import keras
from keras.dtype_policies import DTypePolicyMap


@keras.saving.register_keras_serializable(package="md4keras")
class PolicyByPath(DTypePolicyMap):
    """A policy for some layers by their path, and another for all that are not named.

    The paths are names and no patterns, unlike those of Keras's: whoever writes a configuration
    cannot make one that takes for ever to match.
    """

    def __getitem__(self, path):
        return super().__getitem__(path) if path in self else self.default_policy


def by_path(policy):
    """A Keras policy, of which a map goes by exact paths."""
    policy = keras.dtype_policies.get(policy)
    if isinstance(policy, DTypePolicyMap) and not isinstance(policy, PolicyByPath):
        entries = {path: policy[path] for path in policy}
        return PolicyByPath(policy.default_policy.name, entries)
    return policy


def in_float32(policy):
    """The policy of a layer that computes in float32 whatever its network does.

    It may hold its weights in few bits all the same, if it is named.
    """
    if policy is None:
        return "float32"
    policy = by_path(policy)
    if not isinstance(policy, DTypePolicyMap):
        return "float32"
    return PolicyByPath("float32", {path: policy[path] for path in policy})


def policy_of(layer):
    """A built layer's own policy, of those by path the one that it has."""
    policy = layer.dtype_policy
    return policy[layer.path] if isinstance(policy, DTypePolicyMap) else policy
