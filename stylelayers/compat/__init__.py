"""The operators that other StyleGAN projects carry copies of, under their names and signatures, made of ours."""
