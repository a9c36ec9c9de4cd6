# SPDX-License-Identifier: GPL-3.0-or-later
"""PyTorch training of InterMoE: data, model, losses, evaluation."""
