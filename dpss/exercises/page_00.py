"""Exercises by code of the preface."""

import numpy as np

from .exercise import Exercise

_rng = np.random.default_rng(0)

ending = Exercise(
    "00-2",
    asks="the number by which osmosis multiplies its guidance in the end",
    inputs=[
        (np.array([[1.0, 2.0]]), np.array([[1.0, 3.0]])),
        (np.array([[0.2, 0.5], [1.5, 0.6]]), np.array([[2.0, 0.5], [0.1, 0.9]])),
        (_rng.uniform(0.1, 2.1, (3, 4)), _rng.uniform(0.1, 2.1, (3, 4))),
    ],
)


@ending.reference
def number_in_the_end(start, goal):
    """Brightness is only moved: its sum stays, and is shared out like the guidance."""
    return start.sum() / goal.sum()


@ending.mistake(
    "Start from a picture that is twice as bright. Should your number be larger or smaller?",
    "Your quotient is upside down. The mean of the start is above, that of the guidance below.",
)
def upside_down(start, goal):
    return goal.sum() / start.sum()


@ending.mistake(
    "Multiply your number by the guidance, and take the mean. Is it that of the start?",
    "The end is the guidance only if both pictures have the same mean. What osmosis keeps is the "
    "mean of its start.",
)
def guidance_itself(_start, _goal):
    return 1.0


@ending.mistake(
    "Does your number change if two pixels of the start change places? Should it?",
    "You took the mean of a quotient. Take the quotient of the means.",
)
def mean_of_quotients(start, goal):
    return (start / goal).mean()


@ending.mistake(
    "Let the start be flat. Which number do you get?",
    "You compared contrasts. Osmosis does not keep the contrast of its start, it keeps the mean.",
)
def quotient_of_contrasts(start, goal):
    return start.std() / goal.std()


@ending.mistake(
    "Multiply the guidance by your number. Which mean has the result, and which should it have?",
    "This is the mean that the end must have. Divide by the mean of the guidance.",
)
def mean_of_the_start(start, _goal):
    return start.mean()


@ending.mistake(
    "Which quantity does osmosis keep, the sum of the grey values or that of their squares?",
    "You compared lengths of vectors. Compare the means.",
)
def quotient_of_norms(start, goal):
    return np.linalg.norm(start) / np.linalg.norm(goal)


@ending.mistake(
    "What is asked for, a picture or a number?",
    "You returned the picture in the end. It is a number times the guidance: return the number.",
)
def picture_in_the_end(start, goal):
    return number_in_the_end(start, goal) * goal


@ending.mistake(
    "How many numbers do you return, and how do they differ?",
    "You returned the quotient in each pixel. It is the same everywhere: return it once.",
)
def number_for_each_pixel(start, goal):
    return np.full(goal.shape, number_in_the_end(start, goal))


noises = Exercise(
    "00-3",
    asks="the standard deviation of each entry of aε + bε′",
    inputs=[(0.6, 0.8), (1.0, 2.0), (1.5, -0.5)],
)


@noises.reference
def deviation_of_sum(a, b):
    return np.sqrt(a**2 + b**2)


@noises.mistake(
    "Which unit has your result, that of ε or that of its square?",
    "a² + b² is the variance. The standard deviation is its root.",
)
def variance(a, b):
    return a**2 + b**2


@noises.mistake(
    "Take b = −a. Is aε − aε′ always 0?",
    "Standard deviations do not add up, variances do: ε and ε′ are independent.",
)
def gains_added(a, b):
    return a + b


@noises.mistake(
    "Do ε and ε′ always have the same sign?",
    "Sizes add up if both have the same sign, and else they cancel in part. Add variances instead.",
)
def sizes_added(a, b):
    return abs(a) + abs(b)


@noises.mistake(
    "Take b = 0. What is the standard deviation of aε?",
    "You added a and b as if they were variances. The variance of aε is a².",
)
def gains_for_variances(a, b):
    return np.sqrt(a + b)


@noises.mistake(
    "Take b = 0. Is your result |a|?",
    "You took the mean of the variances. Of independent vectors, the sum has the sum of both.",
)
def mean_of_variances(a, b):
    return np.sqrt((a**2 + b**2) / 2)


@noises.mistake(
    "Take other numbers than 0.6 and 0.8, say 3 and 4.",
    "It is 1 for 0.6 and 0.8 only, because there a² + b² = 1.",
)
def always_one(_a, _b):
    return 1.0
