"""What needs torch and is no loss: outputs, batches, the net that learns from a teacher.

Nothing here is imported before a network turns up as teacher or student.
"""
