"""What an exercise by code consists of: a reference, inputs to try it on, mistakes with hints."""

import dataclasses
import inspect
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Mistake:
    """A wrong answer that many give: the function they write, and hints in stages."""

    function: Callable
    hints: tuple
    fails: tuple = ()  # of a `Question`: names of the tests that it fails


class Exercise:
    """An exercise: `asks` in a few words, `inputs` to try an answer on, the smallest first.

    The reference is given by `@exercise.reference`, each mistake by `@exercise.mistake(hint, …)`,
    the first hint giving nothing away. `inputs` are tuples of arguments; none where a number or an
    array is asked for. Two values agree if they differ by at most `tolerance` times the largest
    magnitude of the one expected. An answer has `seconds` for each input, imports not counted.
    """

    def __init__(self, name, asks, inputs=((),), tolerance=1e-6, seconds=5.0):
        self.name, self.asks, self.inputs = name, asks, tuple(inputs)
        self.tolerance, self.seconds = tolerance, seconds
        self.function, self.mistakes = None, []

    @property
    def by_function(self):
        """Whether a function is asked for, not a number or an array."""
        return self.inputs != ((),)

    @property
    def arguments(self):
        """Names of the arguments of the function that is asked for."""
        return tuple(inspect.signature(self.function).parameters)

    def reference(self, function):
        self.function = function
        return function

    def mistake(self, *hints):
        def wrong(function):
            self.mistakes.append(Mistake(function, hints))
            return function

        return wrong
