"""Elements of augmentation that the original has not, one a file: a recipe says which.

A file's name is its registration; it defines ``ELEMENT``, a struct whose fields are what may be
said of it, with the source of its formula. What it must do, the classes in ``_base.py`` say: it is
an *opening* (it makes the picture that is distorted and resized, in the place of expand and the
batch samplers), a *joining* (it puts something of other pictures into the finished one), or a
*colour*.

An element has random numbers of its own, which follow from the seed, the position and its name:
what one draws does not depend on whether there is another. It draws them before any picture is
decoded; so it is known which other pictures are needed, and only they are.
"""
