"""The seven arguments that a unit is a detector of something, each as numbers with a null.

One file an argument, with one function `measure(subject) -> Argument`; nothing in them asks whether a net is handbuilt
or trained.

Source: Olah et al., "Zoom In: An Introduction to Circuits", Distill (2020), Curve detectors: the seven arguments.
"""
