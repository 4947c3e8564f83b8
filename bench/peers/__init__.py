"""Other implementations of AugMix and of its ops, one module each, for ../peer.py.

A module has VERSIONS (name -> version), from_array (an (height, width, 3) uint8 array as the module's own kind of image),
seed(number), and some or all of
    OPS     op -> function of an image and the op's value, if the op has one, to an image
    mix     function of an image to a function without arguments that mixes it with three others
    augmix  function of an image and a policy to a function without arguments that makes one augmented image
"""
