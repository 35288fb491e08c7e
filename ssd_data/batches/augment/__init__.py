"""From a record to a net's input: what the original's AnnotatedData layer does, step by step.

Each step is a file: ``distort``, ``expand``, ``sampler``, ``crop``, ``resize``, ``noise``,
``mirror``, ``values``; ``transform`` puts them in the original's order. A step that is random has
``draw``, which turns its parameters and a random generator into numbers and looks at no pixel;
``apply`` does to a picture what was drawn. So all is known before the first pixel is touched, and
only those pixels are worked on that the net will see (``canvas``).

Boxes travel as *rows* in the layout of the label blob, float32 (N, 8): item_id, group_label,
instance_id, xmin, ymin, xmax, ymax, difficult; boxes are fractions of the picture.

The original is weiliu89/caffe, branch ssd: ``data_transformer.cpp``, ``util/sampler.cpp``,
``util/im_transforms.cpp``, ``util/bbox_util.cpp``.
"""

from ssd_data.batches.augment.transform import DataTransformer

__all__ = ["DataTransformer"]
