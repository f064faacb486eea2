"""A small SavedModel with the kinds of signature that an export has; no network in it."""

import tensorflow as tf

MAX_SAMPLES = 8
LENGTH = 4
LETTERS = "abc"

# Defaults that are tensors are written into the signature, from where the server takes them.
SEED = tf.constant(0, tf.int64)
NUM_STEPS = tf.constant(5)
TEMPERATURE = tf.constant(0.9)


def spec(shape, dtype, name):
    return tf.TensorSpec(shape, dtype, name)


def scalar(name, dtype=tf.int32):
    return spec([], dtype, name)


class SmallModel(tf.Module):
    """Samples are uniform, from the seed alone; a gap is a token -1 or an underscore."""

    @tf.function(
        input_signature=[
            spec([None, LENGTH], tf.int32, "tokens"),
            spec([None], tf.float32, "time"),
        ]
    )
    def logits(self, tokens, time):
        return {"logits": tf.cast(tf.one_hot(tokens, 3), tf.float32) * time[:, None, None]}

    @tf.function(
        input_signature=[
            scalar("num_samples"),
            scalar("seed", tf.int64),
            scalar("num_steps"),
            scalar("temperature", tf.float32),
        ]
    )
    def generate(
        self,
        num_samples,
        seed=SEED,
        num_steps=NUM_STEPS,
        temperature=TEMPERATURE,
    ):
        return {
            "tokens": self.draw(num_samples, seed),
            "network_calls": num_steps,
            "temperature": temperature,
        }

    @tf.function(input_signature=[scalar("num_samples"), scalar("seed", tf.int64)])
    def generate_text(self, num_samples, seed=SEED):
        letters = tf.gather(tf.constant(list(LETTERS)), self.draw(num_samples, seed))
        return {"text": tf.strings.reduce_join(letters, axis=1)}

    @tf.function(
        input_signature=[
            spec([None, LENGTH], tf.int32, "tokens"),
            spec([None, LENGTH], tf.bool, "mask"),
            scalar("seed", tf.int64),
        ]
    )
    def infill(self, tokens, mask, seed=SEED):
        drawn = self.draw(tf.shape(tokens)[0], seed)
        return {"tokens": tf.where(mask, drawn, tokens), "network_calls": NUM_STEPS}

    @tf.function(input_signature=[spec([None], tf.string, "text")])
    def infill_text(self, text):
        return {"text": tf.strings.regex_replace(text, "_", "a"), "text_bytes": text}

    def draw(self, num_samples, seed):
        limit = tf.debugging.assert_less_equal(
            num_samples, MAX_SAMPLES, f"num_samples must be at most {MAX_SAMPLES}"
        )
        with tf.control_dependencies([limit]):
            shape = tf.stack([num_samples, LENGTH])
        return tf.random.stateless_uniform(shape, tf.stack([seed, 0]), 0, 3, tf.int32)


def save_small_model(folder, version=1):
    """Writes `folder/version/`."""
    model = SmallModel()
    signatures = {
        "serving_default": model.logits,
        "generate": model.generate,
        "generate_text": model.generate_text,
        "infill": model.infill,
        "infill_text": model.infill_text,
    }
    tf.saved_model.save(model, str(folder / str(version)), signatures=signatures)
