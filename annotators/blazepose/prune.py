"""Remove the operators of a .tflite model that only unused outputs need."""

from collections.abc import Collection

import numpy as np


def prune_model(model: bytes, outputs: Collection[str]) -> bytes:
    """Return the model with these outputs alone, without the operators that none of them needs.

    LiteRT computes every output: a third of the landmark model's time goes into a mask of the person. The remaining
    outputs are bit-identical. Errors: ValueError if the model lacks an output.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
    (graph,) = tree.subgraphs
    names = {int(index): graph.tensors[index].name.decode() for index in graph.outputs}
    missing = set(outputs) - set(names.values())
    if missing:
        raise ValueError(f"no output {sorted(missing)}: the model has {sorted(names.values())}")
    graph.outputs = np.array([index for index, name in names.items() if name in outputs], dtype=np.int32)
    needed, operators = set(graph.outputs.tolist()), []
    for operator in reversed(graph.operators):
        if needed.intersection(operator.outputs.tolist()):
            operators.append(operator)
            needed.update(operator.inputs.tolist())
    graph.operators = operators[::-1]
    tree.signatureDefs = None  # they name removed outputs; tensors are found by their own names
    builder = flatbuffers.Builder(len(model))
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())
