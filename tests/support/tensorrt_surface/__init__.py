"""What each TensorRT was seen to have, of all that this package and its fakes touch; `extract` says how it was seen.

One JSON file a version, small extracts of the real Python modules, whose docstrings hold the call forms:
8.6.1 and 10.3.0 to 11.4.0.106 are the modules of the packages `tensorrt-bindings` and `tensorrt-cu12-bindings`
from PyPI, imported beside empty libraries (nothing of them was called), lean11.4 is `tensorrt-lean-cu12`
11.4.0.106, and rtx1.7.1 is `tensorrt-rtx-cu12` 1.7.1.116, both as installed. Spellings of one type that differ
from version to version are made one: `int` for `typing.SupportsInt`, `buffer` for `typing_extensions.Buffer`.
"""
