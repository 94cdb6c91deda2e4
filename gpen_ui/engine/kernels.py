"""Triton kernels that do, in one pass over memory each, what lies between two convolutions of the network on a GPU.

Everything is stored in channels last. `Gpen` is the original that tests/test_fused.py proves them against, on a
processor through Triton's interpreter. An encoder level is stored as its convolution left it: bias and activation are
worked out again wherever the level is read, which costs a GPU less than a pass over memory. The first level, a
product of three channels, is not stored at all (FROM_RGB).
"""

from __future__ import annotations

import triton
import triton.language as tl
from triton.language import constexpr


@triton.jit
def leaky_relu(x):
    return tl.maximum(x, x * 0.2)


@triton.jit
def channel_rows(weight, bias, channel, known, FROM_RGB: constexpr):
    """What `encoded` needs of each channel, loaded once: four (1, B) float32."""
    row = tl.load(bias + channel, mask=known, other=0.0)[None, :]
    if FROM_RGB:
        red = tl.load(weight + channel * 3, mask=known, other=0.0)[None, :]
        green = tl.load(weight + channel * 3 + 1, mask=known, other=0.0)[None, :]
        blue = tl.load(weight + channel * 3 + 2, mask=known, other=0.0)[None, :]
        return row, red, green, blue
    return row, row, row, row


@triton.jit
def encoded(source, bias, red, green, blue, pixel, inside, channel, known, channels, FROM_RGB: constexpr):
    """An encoder level at some pixels (P) and channels (B): (P, B) float32, without meaning where not `inside`."""
    if FROM_RGB:
        value = bias + tl.load(source + pixel * 3, mask=inside, other=0.0)[:, None] * red
        value += tl.load(source + pixel * 3 + 1, mask=inside, other=0.0)[:, None] * green
        value += tl.load(source + pixel * 3 + 2, mask=inside, other=0.0)[:, None] * blue
    else:
        at = pixel[:, None] * channels + channel[None, :]
        value = tl.load(source + at, mask=inside[:, None] & known[None, :], other=0.0).to(tl.float32) + bias
    return leaky_relu(value)


@triton.jit
def blur_band(BLOCK_X: constexpr):
    """(BLOCK_X, BLOCK_X) float32 that blurs columns of a tile by a matrix product; its last three rows are partial.

    Output i takes the columns i to i + 3 with the taps 1, 3, 3, 1.
    """
    tap = tl.arange(0, BLOCK_X)[None, :] - tl.arange(0, BLOCK_X)[:, None]
    middle = (tap == 1) | (tap == 2)
    return tl.where(middle, 3.0, tl.where((tap == 0) | (tap == 3), 1.0, 0.0))


@triton.jit
def blur_level(
    source,  # (N, side, side, channels), or RGB float32 (N, side, side, 3)
    weight,  # (channels, 3) float32, with FROM_RGB
    bias,  # (channels) float32
    out,  # (N, side + 1, side + 1, channels)
    side,
    channels,
    FROM_RGB: constexpr,
    ROWS: constexpr,
    BLOCK_X: constexpr,
    BLOCK_C: constexpr,
):
    """The encoder's activation and blur before its next convolution.

    A program walks down ROWS rows of a strip: along a row the blur is a product with a band on the matrix units, down
    the columns it is a sum with the three rows before.
    """
    strips = tl.cdiv(side + 1, ROWS)
    face = (tl.program_id(0) // strips).to(tl.int64)
    first_row = (tl.program_id(0) % strips) * ROWS
    place = tl.arange(0, BLOCK_X)
    x = tl.program_id(1) * (BLOCK_X - 3) + place
    column = x - 2
    channel = tl.program_id(2) * BLOCK_C + tl.arange(0, BLOCK_C)
    known = channel < channels
    source += face * side * side * (3 if FROM_RGB else channels)
    out += face * (side + 1) * (side + 1) * channels
    row, red, green, blue = channel_rows(weight, bias, channel, known, FROM_RGB)
    band = blur_band(BLOCK_X).to(out.dtype.element_ty)
    whole = (place < BLOCK_X - 3) & (x <= side)
    row_3 = tl.zeros((BLOCK_X, BLOCK_C), tl.float32)
    row_2 = tl.zeros((BLOCK_X, BLOCK_C), tl.float32)
    row_1 = tl.zeros((BLOCK_X, BLOCK_C), tl.float32)
    for step in range(ROWS + 3):
        y = first_row - 2 + step
        inside = (column >= 0) & (column < side) & (y >= 0) & (y < side)
        value = encoded(source, row, red, green, blue, y * side + column, inside, channel, known, channels, FROM_RGB)
        value = tl.where(inside[:, None], value, 0.0).to(out.dtype.element_ty)
        row_0 = tl.dot(band, value, input_precision="ieee")
        blurred = (row_3 + row_0 + 3.0 * (row_2 + row_1)) * (1.0 / 64.0)
        target = first_row + step - 3
        at = (target * (side + 1) + x)[:, None] * channels + channel[None, :]
        write = (whole & (step >= 3) & (target <= side))[:, None] & known[None, :]
        tl.store(out + at, blurred.to(out.dtype.element_ty), mask=write)
        row_3, row_2, row_1 = row_2, row_1, row_0


@triton.jit
def join_upsampled(
    raw,  # (N, side + 1, side + 1, channels), as the transposed convolution left it; see PHASES
    source,  # the encoder's level, see `encoded`
    weight,
    source_bias,
    demodulation,  # (N, channels) float32, rows `demodulation_row` apart
    feature_gain,  # (1) float32
    bias,  # (2 x channels) float32
    style,  # of the next convolution, (N, 2 x channels) float32, rows `style_row` apart
    out,  # (N, side, side, 2 x channels)
    side,
    channels,
    demodulation_row,
    style_row,
    FROM_RGB: constexpr,
    PHASES: constexpr,  # raw is (N, side / 2 + 1, side / 2 + 1, 4 x channels): rows and columns even or odd
    ROWS: constexpr,
    BLOCK_X: constexpr,
    BLOCK_C: constexpr,
):
    """Blurs with gain 4, joins the encoder's level, adds the bias, activates, and scales for the next convolution.

    A program walks down ROWS rows of a strip of one of the two halves of the channels.
    """
    strips = tl.cdiv(side, ROWS)
    face = (tl.program_id(0) // strips).to(tl.int64)
    first_row = (tl.program_id(0) % strips) * ROWS
    x = tl.program_id(1) * BLOCK_X + tl.arange(0, BLOCK_X)
    half = tl.program_id(2) % 2
    channel = (tl.program_id(2) // 2) * BLOCK_C + tl.arange(0, BLOCK_C)
    known = channel < channels
    place = channel + half * channels
    out += face * side * side * channels * 2
    bias_row = tl.load(bias + place, mask=known, other=0.0)[None, :]
    style_row_here = tl.load(style + face * style_row + place, mask=known, other=0.0)[None, :]
    if half == 0:
        gain = tl.load(demodulation + face * demodulation_row + channel, mask=known, other=0.0)
        gain_row = (gain * (4.0 / 64.0))[None, :]
        if PHASES:
            raw += face * (side // 2 + 1) * (side // 2 + 1) * channels * 4
        else:
            raw += face * (side + 1) * (side + 1) * channels
        row_3 = tl.zeros((BLOCK_X, BLOCK_C), tl.float32)
        row_2 = tl.zeros((BLOCK_X, BLOCK_C), tl.float32)
        row_1 = tl.zeros((BLOCK_X, BLOCK_C), tl.float32)
        for step in range(ROWS + 3):
            y = first_row - 1 + step
            row_0 = tl.zeros((BLOCK_X, BLOCK_C), tl.float32)
            for tap in tl.static_range(4):
                column = x - 1 + tap
                inside = (column >= 0) & (column <= side) & (y >= 0) & (y <= side)
                if PHASES:
                    pixel = ((y // 2) * (side // 2 + 1) + column // 2) * 4 + (y % 2) * 2 + column % 2
                else:
                    pixel = y * (side + 1) + column
                at = pixel[:, None] * channels + channel[None, :]
                value = tl.load(raw + at, mask=inside[:, None] & known[None, :], other=0.0).to(tl.float32)
                row_0 += value * (3.0 if tap == 1 or tap == 2 else 1.0)
            if step >= 3:
                target = first_row + step - 3
                write = ((x < side) & (target < side))[:, None] & known[None, :]
                value = leaky_relu((row_3 + row_0 + 3.0 * (row_2 + row_1)) * gain_row + bias_row) * style_row_here
                at = (target * side + x)[:, None] * (2 * channels) + place[None, :]
                tl.store(out + at, value.to(out.dtype.element_ty), mask=write)
            row_3, row_2, row_1 = row_2, row_1, row_0
    else:
        source += face * side * side * (3 if FROM_RGB else channels)
        row, red, green, blue = channel_rows(weight, source_bias, channel, known, FROM_RGB)
        gain_feature = tl.load(feature_gain)
        for step in range(ROWS):
            pixel = (first_row + step) * side + x
            inside = (x < side) & (first_row + step < side)
            value = encoded(source, row, red, green, blue, pixel, inside, channel, known, channels, FROM_RGB)
            value = leaky_relu(value * gain_feature + bias_row) * style_row_here
            at = pixel[:, None] * (2 * channels) + place[None, :]
            tl.store(out + at, value.to(out.dtype.element_ty), mask=inside[:, None] & known[None, :])


@triton.jit
def join_and_show(
    raw,  # (N, side, side, channels), as the convolution left it
    source,  # the encoder's level, see `encoded`
    weight,
    source_bias,
    demodulation,  # (N, channels) float32
    feature_gain,  # (1) float32
    bias,  # (2 x channels) float32
    style,  # of the next convolution, (N, 2 x channels) float32
    rgb_weight,  # (3, 2 x channels) float32
    rgb_style,  # (N, 2 x channels) float32
    rgb_bias,  # (3) float32
    smaller,  # the picture so far, (N, side / 2, side / 2, 3) float32
    out,  # (N, side, side, 2 x channels)
    picture,  # (N, side, side, 3) float32
    side,
    channels,
    demodulation_row,  # how far rows are apart
    style_row,
    FROM_RGB: constexpr,
    FIRST: constexpr,  # there is no picture so far
    LAST: constexpr,  # there is no next convolution
    BLOCK_P: constexpr,
    BLOCK_C: constexpr,
):
    """Joins, activates and scales as `join_upsampled`, and adds the level to the picture."""
    blocks = tl.cdiv(side * side, BLOCK_P)
    face = (tl.program_id(0) // blocks).to(tl.int64)
    pixel = (tl.program_id(0) % blocks) * BLOCK_P + tl.arange(0, BLOCK_P)
    inside = pixel < side * side
    raw += face * side * side * channels
    source += face * side * side * (3 if FROM_RGB else channels)
    out += face * side * side * channels * 2
    picture += face * side * side * 3
    style += face * style_row
    rgb_style += face * style_row
    demodulation += face * demodulation_row
    gain_feature = tl.load(feature_gain)
    red = tl.zeros((BLOCK_P, BLOCK_C), tl.float32)
    green = tl.zeros((BLOCK_P, BLOCK_C), tl.float32)
    blue = tl.zeros((BLOCK_P, BLOCK_C), tl.float32)
    for start in range(0, channels, BLOCK_C):
        channel = start + tl.arange(0, BLOCK_C)
        known = channel < channels
        both = inside[:, None] & known[None, :]
        row, red_row, green_row, blue_row = channel_rows(weight, source_bias, channel, known, FROM_RGB)
        for half in tl.static_range(2):
            if half == 0:
                at = pixel[:, None] * channels + channel[None, :]
                value = tl.load(raw + at, mask=both, other=0.0).to(tl.float32)
                value *= tl.load(demodulation + channel, mask=known, other=0.0)[None, :]
            else:
                value = encoded(
                    source, row, red_row, green_row, blue_row, pixel, inside, channel, known, channels, FROM_RGB
                )
                value *= gain_feature
            place = channel + half * channels
            value = leaky_relu(value + tl.load(bias + place, mask=known, other=0.0)[None, :])
            light = tl.load(rgb_style + place, mask=known, other=0.0)
            red += value * (light * tl.load(rgb_weight + place, mask=known, other=0.0))[None, :]
            green += value * (light * tl.load(rgb_weight + 2 * channels + place, mask=known, other=0.0))[None, :]
            blue += value * (light * tl.load(rgb_weight + 4 * channels + place, mask=known, other=0.0))[None, :]
            if not LAST:
                value *= tl.load(style + place, mask=known, other=0.0)[None, :]
                at = pixel[:, None] * (2 * channels) + place[None, :]
                tl.store(out + at, value.to(out.dtype.element_ty), mask=both)
    smaller += face * (side // 2) * (side // 2) * 3
    red_sum = tl.sum(red, 1) + tl.load(rgb_bias)
    green_sum = tl.sum(green, 1) + tl.load(rgb_bias + 1)
    blue_sum = tl.sum(blue, 1) + tl.load(rgb_bias + 2)
    if not FIRST:
        red_sum += doubled(smaller, pixel, inside, side)
        green_sum += doubled(smaller + 1, pixel, inside, side)
        blue_sum += doubled(smaller + 2, pixel, inside, side)
    tl.store(picture + pixel * 3, red_sum, mask=inside)
    tl.store(picture + pixel * 3 + 1, green_sum, mask=inside)
    tl.store(picture + pixel * 3 + 2, blue_sum, mask=inside)


@triton.jit
def doubled(color, pixel, inside, side):
    """One colour of the picture so far, enlarged twofold: three quarters of a pixel, one of its side's neighbour."""
    y, x = pixel // side, pixel % side
    half = side // 2
    near_y, near_x = y // 2, x // 2
    far_y, far_x = near_y + 2 * (y % 2) - 1, near_x + 2 * (x % 2) - 1
    has_y, has_x = (far_y >= 0) & (far_y < half), (far_x >= 0) & (far_x < half)
    value = 9.0 * tl.load(color + (near_y * half + near_x) * 3, mask=inside, other=0.0)
    value += 3.0 * tl.load(color + (far_y * half + near_x) * 3, mask=inside & has_y, other=0.0)
    value += 3.0 * tl.load(color + (near_y * half + far_x) * 3, mask=inside & has_x, other=0.0)
    value += tl.load(color + (far_y * half + far_x) * 3, mask=inside & has_y & has_x, other=0.0)
    return value / 16.0


@triton.jit
def demodulate(
    styles,  # (N, all) float32, rows `style_row` apart
    energies,  # of all layers, (outputs, inputs) float32, one after the other
    layer,  # (outputs of all layers, 3) int32: where its energies and its style begin, and their length
    out,  # (N, outputs of all layers) float32
    outputs,
    style_row,
    epsilon,
    gain,
    BLOCK: constexpr,
):
    """The demodulation of every layer: gain / sqrt(sum of energy x style squared). A program does one output."""
    output, face = tl.program_id(0), tl.program_id(1)
    energies += tl.load(layer + output * 3)
    styles += face * style_row + tl.load(layer + output * 3 + 1)
    length = tl.load(layer + output * 3 + 2)
    total = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, length, BLOCK):
        at = start + tl.arange(0, BLOCK)
        style = tl.load(styles + at, mask=at < length, other=0.0)
        total += style * style * tl.load(energies + at, mask=at < length, other=0.0)
    tl.store(out + face * outputs + output, gain / tl.sqrt(tl.sum(total, 0) + epsilon))
