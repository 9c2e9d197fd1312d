"""In the kernel that executes a page: each check also says how large its defect or violation is.

`dpss.check` prints bounds alone, so that pages read the same on every machine. Whether a bound is
tight can only be judged beside the size: it is kept in the metadata of the committed page. (In that
of a cell it would make it another page for the cache.)
"""

import functools

KIND = "application/vnd.dpss.size"
ROUNDING = 1e-9  # smaller sizes are rounding errors, another on every processor


def start():
    """In the kernel: let every check publish the size that it judges."""
    from IPython.display import publish_display_data

    from dpss import claims

    largest = claims._largest  # what `check` judges; `dpss.check` itself is already bound

    @functools.wraps(largest)
    def recorded(value):
        size = largest(value)
        publish_display_data({KIND: f"{size:.2g}" if size > ROUNDING else "0"})
        return size

    claims._largest = recorded


def merged(outputs):
    """Neighbouring pieces of one stream as one."""
    result = []
    for out in outputs:
        if (
            out.output_type == "stream"
            and result
            and result[-1].output_type == "stream"
            and result[-1].name == out.name
        ):
            result[-1].text += out.text
        else:
            result.append(out)
    return result


def keep(book):
    """Move the sizes from the outputs of an executed page to its metadata: identifier -> sizes."""
    sizes = {}
    for cell in book.cells:
        if cell.cell_type == "code":
            found = [out.data[KIND] for out in cell.outputs if KIND in out.get("data", {})]
            cell.outputs = merged(out for out in cell.outputs if KIND not in out.get("data", {}))
            if found:
                sizes[cell.id] = " ".join(found)
    book.metadata["sizes"] = sizes
