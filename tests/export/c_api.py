"""Answers for a SavedModel through TensorFlow's C API: `c_api.py VERSION`, as `ask.py`.

`TF_LoadSessionFromSavedModel` is the path that TensorFlow Serving takes. No Python of TensorFlow's
is imported: requests name the tensors of the graph (see `test_c_api.py`).
"""

import ctypes
import importlib.machinery
import os
import pickle
import sys
from pathlib import Path

import numpy as np

for name in ("tensorflow", "keras", "md4keras", "jax", "torch"):
    sys.modules[name] = None  # importing it fails

STRING, TYPES = 7, {1: "f4", 2: "f8", 3: "i4", 9: "i8", 10: "?"}  # TF_DataType
NUMBERS = {np.dtype(name): number for number, name in TYPES.items()}


class Output(ctypes.Structure):
    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


class String(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_char * 24)]


class Failed(Exception):
    """A status that is not OK: its code and message."""


class Library:
    """The functions that are needed, with their types."""

    def __init__(self, folder: Path):
        self.c = ctypes.CDLL(str(folder / "libtensorflow_cc.so.2"))
        pointer, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
        for name, result, arguments in (
            ("TF_NewStatus", pointer, []),
            ("TF_GetCode", number, [pointer]),
            ("TF_Message", ctypes.c_char_p, [pointer]),
            ("TF_NewGraph", pointer, []),
            ("TF_NewSessionOptions", pointer, []),
            ("TF_LoadSessionFromSavedModel", pointer, None),
            ("TF_GraphOperationByName", pointer, [pointer, ctypes.c_char_p]),
            ("TF_SessionRun", None, None),
            ("TF_AllocateTensor", pointer, [number, pointer, number, size]),
            ("TF_TensorData", pointer, [pointer]),
            ("TF_TensorType", number, [pointer]),
            ("TF_NumDims", number, [pointer]),
            ("TF_Dim", ctypes.c_int64, [pointer, number]),
            ("TF_TensorByteSize", size, [pointer]),
            ("TF_DeleteTensor", None, [pointer]),
            ("TF_StringInit", None, [pointer]),
            ("TF_StringCopy", None, [pointer, ctypes.c_char_p, size]),
            ("TF_StringGetDataPointer", pointer, [pointer]),
            ("TF_StringGetSize", size, [pointer]),
        ):
            function = getattr(self.c, name)
            function.restype = result
            if arguments is not None:
                function.argtypes = arguments
        self.status = self.c.TF_NewStatus()

    def check(self):
        code = self.c.TF_GetCode(self.status)
        if code:
            raise Failed(code, self.c.TF_Message(self.status).decode())

    def tensor(self, value):
        value = np.asarray(value)
        strings = value.dtype == object
        number = STRING if strings else NUMBERS[value.dtype]
        dims = (ctypes.c_int64 * value.ndim)(*value.shape)
        width = ctypes.sizeof(String) if strings else value.itemsize
        tensor = self.c.TF_AllocateTensor(number, dims, value.ndim, value.size * width)
        data = self.c.TF_TensorData(tensor)
        if not strings:
            ctypes.memmove(data, np.ascontiguousarray(value).ctypes.data, value.nbytes)
        for i, text in enumerate(value.ravel() if strings else ()):
            self.c.TF_StringInit(data + i * width)
            self.c.TF_StringCopy(data + i * width, text, len(text))
        return tensor

    def array(self, tensor):
        number, data = self.c.TF_TensorType(tensor), self.c.TF_TensorData(tensor)
        shape = [self.c.TF_Dim(tensor, i) for i in range(self.c.TF_NumDims(tensor))]
        if number != STRING:
            content = ctypes.string_at(data, self.c.TF_TensorByteSize(tensor))
            return np.frombuffer(content, TYPES[number]).reshape(shape)
        places = [data + i * ctypes.sizeof(String) for i in range(int(np.prod(shape)))]
        texts = [
            ctypes.string_at(self.c.TF_StringGetDataPointer(p), self.c.TF_StringGetSize(p))
            for p in places
        ]
        return np.array(texts, dtype=object).reshape(shape)


class Session:
    """A SavedModel, loaded."""

    def __init__(self, library: Library, folder: str):
        self.library, self.graph = library, library.c.TF_NewGraph()
        tags = (ctypes.c_char_p * 1)(b"serve")
        options = library.c.TF_NewSessionOptions()
        self.session = library.c.TF_LoadSessionFromSavedModel(
            ctypes.c_void_p(options),
            None,
            folder.encode(),
            tags,
            1,
            ctypes.c_void_p(self.graph),
            None,
            ctypes.c_void_p(library.status),
        )
        library.check()

    def output(self, name: str) -> Output:
        operation, _, index = name.partition(":")
        found = self.library.c.TF_GraphOperationByName(self.graph, operation.encode())
        if not found:
            raise Failed(0, f"no operation {operation}")
        return Output(found, int(index))

    def run(self, feeds: dict, fetches: dict) -> dict:
        c = self.library.c
        tensors = [self.library.tensor(value) for value in feeds.values()]
        results = (ctypes.c_void_p * len(fetches))()
        c.TF_SessionRun(
            ctypes.c_void_p(self.session),
            None,
            (Output * len(feeds))(*map(self.output, feeds)),
            (ctypes.c_void_p * len(feeds))(*tensors),
            len(feeds),
            (Output * len(fetches))(*map(self.output, fetches.values())),
            results,
            len(fetches),
            None,
            0,
            None,
            ctypes.c_void_p(self.library.status),
        )
        for tensor in tensors:
            c.TF_DeleteTensor(tensor)
        self.library.check()
        return {name: self.library.array(r) for name, r in zip(fetches, results, strict=True)}


def main(version: str) -> None:
    answers_to = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    place = importlib.machinery.PathFinder.find_spec("tensorflow").submodule_search_locations[0]
    session = Session(Library(Path(place)), version)
    while True:
        try:
            asked = pickle.load(sys.stdin.buffer)
        except EOFError:
            break
        answers = []
        for feeds, fetches in asked:
            try:
                answers.append(session.run(feeds, fetches))
            except Failed as failed:
                answers.append(failed.args)
        pickle.dump(answers, answers_to)
        answers_to.flush()


main(sys.argv[1])
