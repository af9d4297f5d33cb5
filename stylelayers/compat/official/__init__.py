"""The operators of the official ``torch_utils.ops`` (StyleGAN2-ADA, StyleGAN3) and of its many copies.

Names, signatures and meanings are theirs. Different are:

- nothing is compiled: `impl` is ignored, ``custom_ops.get_plugin`` raises a RuntimeError, and every operator has
  derivatives of every order, forward mode included, on every device;
- ``conv2d_gradfix.enabled`` and ``grid_sample_gradfix.enabled`` are there to be set and change nothing;
- ``conv2d_gradfix.no_weight_gradients`` works on every device, also where theirs leaves convolutions to torch;
- ``clamp`` may be -1 for no limit, slopes and gains of `filtered_lrelu` any number, filters of any dtype;
- exactly at the limit of ``clamp`` the derivative is 0;
- filters get no gradient;
- wrong arguments are ValueErrors that name the argument, where theirs are AssertionErrors without a text;
- the autograd Functions and their caches (``_upfirdn2d_cuda``, ``_bias_act_cuda``, …) are not there.
"""
