"""Sphinx extension: what a page asks its reader to predict, and how the page's own code came out.

    ::::{prediction} 05-half
    Which of the two schedules shows more of the picture at half time?

    - the cosine schedule

      Feedback: one paragraph or more, indented.

    - the linear schedule

      …
    ::::

In a cell anywhere on the page, `dpss.outcome("05-half", …)` prints one of the options: that one is
marked as right. With `:within: 0.05` a number is asked for; the items are then called `right` (a
guess within so much of the outcome), `too small` and `too large`. `:again: 05-half` says where the
question was asked in another form.

The options are folded answers that need no script; `tools/static/predictions.js` remembers which
one the reader opened first, and compares numbers.
"""

import re

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

NUMBER = ["right", "too small", "too large"]
LINE = re.compile(r"^(\d\d-[a-z]\S*)  (.+)$", re.MULTILINE)


class prediction(nodes.General, nodes.Element):
    """The box: the question, then its options; `name`, and `within` where a number is asked for."""


class guess(nodes.General, nodes.Element):
    """The words of one answer, and the feedback that they fold."""


class guess_words(nodes.General, nodes.TextElement):
    """What a reader may say."""


class Prediction(SphinxDirective):
    has_content = True
    required_arguments = 1
    option_spec = {"within": float, "again": directives.unchanged_required}

    def run(self):
        name = self.arguments[0]
        box = prediction(name=name, ids=[f"predict-{name}"], **self.options)
        self.state.nested_parse(self.content, self.content_offset, box)
        place = box.first_child_matching_class(nodes.bullet_list)
        if place is None:
            raise self.error(f"the prediction {name} has no list of options")
        options = [
            guess("", guess_words("", "", *said.children), *feedback)
            for said, *feedback in (item.children for item in box[place])
        ]
        if not all(len(one) > 1 for one in options):
            raise self.error(f"the prediction {name} has an option without feedback")
        if "within" in self.options and [one[0].astext() for one in options] != NUMBER:
            raise self.error(f"the prediction {name} asks for a number; needed: the items {NUMBER}")
        box[place : place + 1] = options
        return [box]


def mark(_app, doctree):
    """Give each box its outcome, which a cell of the page prints, and each option its verdict."""
    outputs = (b.astext() for b in doctree.findall(nodes.literal_block) if "output" in b["classes"])
    outcomes = dict(LINE.findall("\n".join(outputs)))
    for box in doctree.findall(prediction):
        name, options = box["name"], list(box.findall(guess))
        if name not in outcomes:
            raise ExtensionError(f"no cell prints the outcome of the prediction {name}")
        box["outcome"] = outcomes[name]
        if "within" in box:
            verdicts = [f"It is {box['outcome']}.", "If you said less:", "If you said more:"]
            answer = guess("", guess_words("", "Answer"))
            for one, kind in zip(options, ("right", "less", "more")):
                answer += nodes.container("", *one[1:], classes=[f"dpss-{kind}"])
                box.remove(one)
            box += answer
            feedback = [part[0] for part in answer[1:]]
        else:
            verdicts = ["Right." if o[0].astext() == box["outcome"] else "No." for o in options]
            if verdicts.count("Right.") != 1:
                raise ExtensionError(f"{name} came out as {box['outcome']!r}, which is no option")
            feedback = [one[1] for one in options]
        for paragraph, verdict in zip(feedback, verdicts):
            paragraph[:0] = [nodes.strong("", verdict), nodes.Text(" ")]


def open_box(self, node):
    number = (
        f' data-outcome="{node["outcome"]}" data-within="{node["within"]}"'
        if "within" in node
        else ""
    )
    name = node["name"]
    self.body.append(
        f'<div class="admonition important dpss-prediction" id="predict-{name}" role="group" '
        f'aria-labelledby="title-{name}"{number}>\n'
        f'<p class="admonition-title" id="title-{name}">Predict first</p>\n'
    )


def close_box(self, node):
    if "again" in node:
        number = node["again"][:2]
        start = "chapters/index" if number == "00" else f"chapters/{number}-"
        page = next(doc for doc in self.builder.env.found_docs if doc.startswith(start))
        address = self.builder.get_relative_uri(self.builder.current_docname, page)
        self.body.append(
            "<p>You met this question in another form on "
            f'<a href="{address}#predict-{node["again"]}">page {int(number)}</a>.</p>\n'
        )
    self.body.append("</div>\n")


def open_words(self, _node):
    self.body.append("<summary>")


def close_words(self, _node):
    self.body.append("</summary>\n")


def open_option(self, _node):
    self.body.append("<details>\n")


def close_option(self, _node):
    self.body.append("</details>\n")


def setup(app):
    app.add_directive("prediction", Prediction)
    app.add_node(prediction, html=(open_box, close_box))
    app.add_node(guess, html=(open_option, close_option))
    app.add_node(guess_words, html=(open_words, close_words))
    app.connect("doctree-read", mark)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
