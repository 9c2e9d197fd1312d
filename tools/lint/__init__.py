"""The page checkers: `problems(root)` of each module lists what is wrong with the book there."""
