"""Twenty-five exercises, graded offline: `python -m tinygrad_edu.exercises` lists them.

docs/exercises.md shows a session.

Reading order: exercise.py, what an exercise is; by_hand.py, arrays.py, descent.py, beyond.py and
further.py, the twenty-five; files.py, what a learner is given and what is remembered; grading.py,
what is wrong with an answer; process.py, the limits of time and memory; __main__.py, the command
line.

>>> EXERCISES[1].title, EXERCISES[1].chapter
('The slope of a polynomial', 1)
"""

from tinygrad_edu.exercises import arrays as arrays
from tinygrad_edu.exercises import beyond as beyond
from tinygrad_edu.exercises import by_hand as by_hand
from tinygrad_edu.exercises import descent as descent
from tinygrad_edu.exercises import further as further
from tinygrad_edu.exercises.exercise import WRITTEN

EXERCISES = dict(enumerate(sorted(WRITTEN, key=lambda exercise: exercise.chapter), 1))
CHAPTERS = dict(
    enumerate(
        [
            "A neuron and a number",
            "The chain rule on a graph",
            "Cost, and gradient descent",
            "The digit classifier",
            "The real engine",
            "Tensors, and why gradients are summed",
            "How to check a gradient",
            "What did it learn?",
            "A step is a program",
            "From here to a GPT",
            "Your own operation, your own module, and beyond first order",
        ],
        1,
    )
)
