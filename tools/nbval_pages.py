"""nbval plugin: compare what a page prints with the committed notebook, both in normalised form.

Pictures, widgets and HTML that holds data are left out of it.

With --executed nothing runs: the page is compared as it was executed for the site.
"""

import nbformat
from execute import result
from nbval.plugin import IPyNbCell, IPyNbFile, coalesce_streams
from notebooks import kept

_compare = IPyNbCell.compare_outputs


def stripped(outputs):
    """The outputs that a committed notebook keeps."""
    for out in outputs:
        if "data" in out:
            data = {mime: text for mime, text in out["data"].items() if kept(mime, text)}
            out = nbformat.from_dict({**out, "data": data})
            if not data:
                continue
        yield out


def compare_stripped(self, test, ref, skip_compare=None):
    return _compare(self, list(stripped(test)), list(stripped(ref)), skip_compare)


def load(self):
    """In place of a kernel: the outputs of the executed page, for each code cell."""
    cells = result(self.path).cells
    self.executed = [cell.outputs for cell in cells if cell.cell_type == "code"]
    self.setup_sanitize_files()


def replay(self):
    """In place of running the cell: its outputs."""
    outputs = coalesce_streams(self.parent.executed[self.cell_num])
    if not self.compare_outputs(outputs, coalesce_streams(self.cell.outputs)):
        self.raise_cell_error("Cell outputs differ", "\n".join(self.comparison_traceback))


def pytest_addoption(parser):
    parser.addoption("--executed", action="store_true", help="compare pages as they were executed")


def pytest_configure(config):
    IPyNbCell.compare_outputs = compare_stripped
    if config.option.executed:
        IPyNbFile.setup, IPyNbCell.runtest = load, replay
