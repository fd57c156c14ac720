"""Linear models and networks of dense layers."""

import numpy as np
from scipy.linalg import block_diag

from sklearn_distill.export.program import Layer, Layers, Link, NotReadable
from sklearn_distill.utils.dispatch import is_of_kind, name_of

#: Regressors with ``coef_`` that do not predict by a plain sum.
_NOT_LINEAR = ("PoissonRegressor", "GammaRegressor", "TweedieRegressor")


def _dense(weight, bias):
    weight = np.atleast_2d(np.asarray(weight, dtype=np.float64)).T
    return Layer(weight, np.zeros(weight.shape[1]) + np.asarray(bias, dtype=np.float64))


def read_linear(model, features, columns):
    """Return body, link and features of a linear classifier or regressor."""
    features = columns.use_as_numbers(features, name_of(model))
    coef = model.coef_.toarray() if hasattr(model.coef_, "toarray") else model.coef_
    body = Layers((_dense(coef, model.intercept_),))
    if is_of_kind(model, "regressor"):
        if name_of(model) in _NOT_LINEAR:
            raise NotReadable(f"{name_of(model)}, which predicts by an exponential")
        return body, Link("values"), features
    if not hasattr(model, "predict_proba"):
        raise NotReadable(f"{name_of(model)}, which gives no probabilities")
    if getattr(model, "loss", "log_loss") != "log_loss":
        raise NotReadable(f"{name_of(model)} of the loss {model.loss!r}")
    return body, _link_of_linear(model, body.layers[0].bias.size), features


def _link_of_linear(model, n_outputs):
    # Releases before 1.8 have a parameter that decides between these.
    several = getattr(model, "multi_class", "auto")
    if n_outputs == 1:
        return Link("sigmoid", 2.0 if several == "multinomial" else 1.0)
    each = several == "ovr" or getattr(model, "solver", None) == "liblinear"
    return Link("one-vs-rest" if each or hasattr(model, "loss") else "softmax")


def read_mlp(model, features, columns):
    """Return body, link and features of an MLPClassifier or MLPRegressor."""
    features = columns.use_as_numbers(features, name_of(model))
    last = len(model.coefs_) - 1
    layers = tuple(
        Layer(
            np.asarray(w, float),
            np.asarray(b, float),
            "identity" if i == last else model.activation,
        )
        for i, (w, b) in enumerate(zip(model.coefs_, model.intercepts_, strict=True))
    )
    links = {"identity": "values", "logistic": "sigmoid", "softmax": "softmax"}
    link = Link(links[model.out_activation_])
    if is_of_kind(model, "classifier") and link.kind == "sigmoid" and layers[-1].bias.size > 1:
        raise NotReadable("an MLPClassifier of several labels")
    return Layers(layers), link, features


def read_gaussian_bayes(model, features, columns):
    """Return body, link and features of GaussianNB: squares of standardised columns, summed."""
    features = columns.use_as_numbers(features, name_of(model))
    n_classes, n = model.theta_.shape
    weight, bias = np.zeros((n, n_classes * n)), np.zeros(n_classes * n)
    back = np.zeros((n_classes * n, n_classes))
    for k in range(n_classes):
        here = slice(k * n, (k + 1) * n)
        width = np.sqrt(2 * model.var_[k])
        weight[:, here], bias[here] = np.diag(1 / width), -model.theta_[k] / width
        back[here, k] = -1
    prior = np.log(model.class_prior_) - np.log(2 * np.pi * model.var_).sum(axis=1) / 2
    return Layers((Layer(weight, bias, "square"), Layer(back, prior))), Link("softmax"), features


def read_multinomial_bayes(model, features, columns):
    """Return body, link and features of MultinomialNB, which is linear in the counts."""
    features = columns.use_as_numbers(features, name_of(model))
    body = Layers((_dense(model.feature_log_prob_, model.class_log_prior_),))
    return body, Link("softmax"), features


def layers_beside(several):
    """Return Layers with the outputs of several Layers of equal depth beside each other."""
    made = []
    for i, layers in enumerate(zip(*(body.layers for body in several), strict=True)):
        weights, biases, activations = zip(*layers, strict=True)
        weight = np.hstack(weights) if i == 0 else block_diag(*weights)
        made.append(Layer(weight, np.concatenate(biases), activations[0]))
    return Layers(tuple(made))


def read_module(module, features, columns):
    """Return body, link and features of a torch module, or of a fitted skorch net.

    It may be a chain of dense layers, batch normalisation and activations in any nesting.
    """
    from torch import fx

    from sklearn_distill.nn.outputs import recognise

    features = columns.use_as_numbers(features, name_of(module))
    module = getattr(module, "module_", module).eval()
    name = name_of(module)
    try:
        nodes = list(fx.symbolic_trace(module).graph.nodes)
    except Exception as error:  # whatever the module's own code says to a tracer
        raise NotReadable(f"the network {name}, whose steps depend on its rows") from error
    inner = dict(module.named_modules())
    layers, previous = [], nodes[0]
    for node in nodes[1:]:
        if node.op == "output":
            if node.args[0] is not previous:
                raise NotReadable(f"the network {name}, which returns more than its last layer")
            break
        inputs = node.all_input_nodes
        if inputs != [previous]:
            raise NotReadable(f"the network {name}, whose layers are no chain")
        layer = inner[node.target] if node.op == "call_module" else node.target
        _append(layers, layer, name, final=node.next.op == "output")
        previous = node
    layers = tuple(layers)
    if not layers:
        raise NotReadable(f"the network {name}, which has no dense layer")
    if recognise(module) == "binary-proba" or layers[-1].bias.size == 1:
        return Layers(layers), Link("sigmoid"), features
    return Layers(layers), Link("softmax"), features


_MODULES = {
    "ReLU": "relu",
    "Tanh": "tanh",
    "Sigmoid": "logistic",
    "SiLU": "silu",
    "relu": "relu",
    "tanh": "tanh",
    "sigmoid": "logistic",
    "silu": "silu",
}


def _append(layers, layer, name, *, final):
    """Add what a layer of a module does to the layers so far."""
    kind = getattr(layer, "__name__", None) or (
        layer if isinstance(layer, str) else name_of(layer)
    )
    if (
        kind in ("Identity", "Flatten", "flatten", "float")
        or "Dropout" in kind
        or kind == "dropout"
    ):
        return
    if kind == "Linear":
        bias = 0.0 if layer.bias is None else _array(layer.bias)
        layers.append(_dense(_array(layer.weight), bias))
    elif kind == "BatchNorm1d" and layer.track_running_stats:
        scale = 1 / np.sqrt(_array(layer.running_var) + layer.eps)
        shift = -_array(layer.running_mean) * scale
        if layer.affine:
            scale, shift = scale * _array(layer.weight), shift * _array(layer.weight)
            shift = shift + _array(layer.bias)
        if layers and layers[-1].activation == "identity":
            last = layers[-1]
            layers[-1] = Layer(last.weight * scale, last.bias * scale + shift)
        else:
            layers.append(Layer(np.diag(scale), shift))
    elif final and kind in (
        "Softmax",
        "LogSoftmax",
        "Sigmoid",
        "softmax",
        "log_softmax",
        "sigmoid",
    ):
        return  # the link does it
    else:
        activation = _MODULES.get(kind)
        if kind == "LeakyReLU" and layer.negative_slope == 0.01:
            activation = "leaky-relu"
        if kind == "ELU" and layer.alpha == 1.0:
            activation = "elu"
        if activation is None or not layers or layers[-1].activation != "identity":
            raise NotReadable(f"the network {name}, which has a {kind}")
        layers[-1] = layers[-1]._replace(activation=activation)


def _array(tensor):
    return tensor.detach().cpu().double().numpy()
