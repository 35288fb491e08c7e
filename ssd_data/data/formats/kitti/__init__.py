"""KITTI: one txt a picture, 15 columns an object; also as DIGITS and TAO have it."""
