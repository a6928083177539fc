"""What a step of Keras brings down: the loss of its rows, by the weights that are kept, and a price of these."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from stemma.training import own, shrink
from stemma.training.base import Given


class Objective:
    """Of one network in training.

    Args:
        fitted: the network.
        learning: those of its variables that are trained, by the names of tensors.
        kind: of the loss, in the words of the task.
    """

    def __init__(self, fitted: keras.Model, learning: Mapping[str, Any], kind: str, given: Given) -> None:
        self.fitted, self.kind, self.own, self.settings = fitted, kind, given.parts.loss, given.settings
        self.matrices = {name: learning[name] for name in shrink.matrices(learning)}
        masked = self.matrices.items() if self.settings.prune else ()
        self.masks = {name: tf.Variable(tf.ones(v.shape), trainable=False) for name, v in masked}

    def begin(self, masks: shrink.Masks) -> None:
        """Take the masks of an epoch."""
        for name, mask in masks.items():
            self.masks[name].assign(mask)

    def of(self, x: tf.Tensor, *targets: tf.Tensor) -> tf.Tensor:
        """The loss of a batch; `targets` are as `loss` takes them."""
        if not shrink.needs_weights(self.settings):
            return self.loss(tf.cast(self.fitted(x, training=True), tf.float32), *targets)
        weights = self._weights()
        by_variable = {id(self.matrices[name]): weight for name, weight in weights.items()}
        trained = [by_variable.get(id(v), v.value) for v in self.fitted.trainable_variables]
        still = self.fitted.non_trainable_variables
        scores, states = self.fitted.stateless_call(trained, [v.value for v in still], x, training=True)
        for variable, state in zip(still, states, strict=True):  # of dropout's draws, of normalised batches
            variable.assign(state)
        return self.loss(tf.cast(scores, tf.float32), *targets) + self._price(weights)

    def loss(
        self, scores: tf.Tensor, y: tf.Tensor, weights: tf.Tensor | None = None, taught: tf.Tensor | None = None
    ) -> tf.Tensor:
        """The mean over the batch of each row's loss times its weight; over members too, if scores have them first.

        Args:
            taught: what a teacher says. With the temperature squared, gradients of both parts are alike in size.
        """
        if len(scores.shape) == 3:
            members, scores = scores.shape[0], tf.reshape(scores, (-1, scores.shape[2]))
            y, weights, taught = (None if p is None else tf.concat([p] * members, 0) for p in (y, weights, taught))
        truth = self._mean(scores, y, weights)
        if taught is None:
            return truth
        temperature, share = self.settings.distil_temperature, self.settings.distil_weight
        return (1 - share) * truth + share * temperature**2 * self._mean(scores / temperature, taught, weights)

    def _mean(self, scores: tf.Tensor, y: tf.Tensor, weights: tf.Tensor | None) -> tf.Tensor:
        if self.own is not None:
            each = own.losses(self.own, scores, y)
        elif self.kind == "squared_error":
            each = tf.square(scores - y)[:, 0]
        elif self.kind == "binary_cross_entropy":
            each = tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=scores)[:, 0]
        elif y.dtype.is_floating:  # a share of each class
            each = tf.nn.softmax_cross_entropy_with_logits(labels=y, logits=scores)
        else:
            each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=scores)
        return tf.reduce_mean(each if weights is None else each * weights)

    def _weights(self) -> dict[str, tf.Tensor]:
        kept = {name: v * self.masks[name] if name in self.masks else v.value for name, v in self.matrices.items()}
        return kept | shrink.gridded(kept, _on_grid) if self.settings.quantisation_aware else kept

    def _price(self, weights: Mapping[str, tf.Tensor]) -> tf.Tensor:
        sizes = sum(tf.reduce_sum(tf.abs(w)) for w in weights.values()) if self.settings.l1 else 0.0
        squares = sum(tf.reduce_sum(tf.square(w)) for w in weights.values()) if self.settings.l2 else 0.0
        return self.settings.l1 * sizes + self.settings.l2 / 2 * squares


def _on_grid(weights: tf.Tensor, axis: int) -> tf.Tensor:
    """As `shrink.on_grid`; gradients pass straight through."""
    values = tf.stop_gradient(weights)
    scale = tf.maximum(tf.reduce_max(tf.abs(values), axis=axis, keepdims=True) / shrink.LEVELS, shrink.LEAST)
    return weights + (tf.round(values / scale) * scale - values)
