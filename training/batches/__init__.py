# SPDX-License-Identifier: GPL-3.0-or-later
"""From clips to batches. A batch is a function of (seed, step, rank), which is what makes resuming exact."""
