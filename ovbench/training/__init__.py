"""Fine-tuning with PEFT: collation, the accelerate loop, checkpoints that resume exactly.

:func:`ovbench.training.train.train` trains one recipe; :func:`ovbench.training.loop.fit` is the
loop below it, for any PEFT model and any encoded texts. Both need the extra ``models``.
"""
