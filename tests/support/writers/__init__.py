"""Every command that writes, on tiny inputs; and those that must not."""

from support.writers import builds, downloads, nets, readers, scores, training
from support.writers.scene import Scene

SCENES: dict[str, Scene] = {
    **downloads.SCENES,
    **builds.SCENES,
    **nets.SCENES,
    **training.SCENES,
    **scores.SCENES,
}
READERS: dict[str, Scene] = readers.SCENES
