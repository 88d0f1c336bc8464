import android.content.res.AssetManager
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Color
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.TensorBuffer
import kotlin.math.abs
import kotlin.math.ceil
import kotlin.math.floor
import kotlin.math.max
import kotlin.math.min
import kotlin.math.round
import org.json.JSONObject

/**
 * Edits pictures by captions, as `mim edit` does. Not for several threads at once.
 *
 * @param folder of the assets, with what `mim export tflite` has written, or a preset's `litert`
 * @param accelerator of the picture's network; captions are read on the CPU
 */
class MimEditor(
    private val assets: AssetManager,
    private val folder: String = "mim",
    accelerator: Accelerator = Accelerator.GPU,
) : AutoCloseable {
    private val size: Int
    private val tokenizer: Tokenizer
    private val text = open("text_float16.tflite", Accelerator.CPU)
    private val image = open("image_float16.tflite", accelerator)

    init {
        val metadata = json("metadata.json")
        val words = json(metadata.getString("vocabulary")).getJSONArray("words")
        size = metadata.getInt("size")
        tokenizer = Tokenizer(
            List(words.length()) { words.getString(it) }, metadata.getInt("max_words"),
        )
    }

    /**
     * The edit, at the picture's own size; only its largest centred square changes.
     *
     * @param picture upright; transparency is laid over white
     * @param strength scales the change: 0 leaves the picture as it is, 1 is the model's own
     * @throws IllegalArgumentException the model knows no word of the caption
     */
    fun edit(picture: Bitmap, caption: String, strength: Float = 1f): Bitmap {
        val tokens = tokenizer.encode(caption)
        require(tokens.any { it > 1 }) { "The model knows no word of this caption." }
        val side = min(picture.width, picture.height)
        val left = (picture.width - side) / 2
        val top = (picture.height - side) / 2
        val result = overWhite(picture)
        val input = modelInput(result, left, top, side)
        val words = infer(text, mapOf("tokens" to tokens), TEXT_OUTPUTS)
        val texture = mapOf("h_hat" to words.getValue("h_hat"), "mask" to words.getValue("mask"))
        val found = infer(image, texture + ("image" to input), IMAGE_OUTPUTS)
        val fine = found.getValue("fine")
        val change = FloatArray(fine.size) { (fine[it] - input[it]) * HALF_RANGE * strength }
        addChange(result, left, top, side, change, found.getValue("alpha"))
        return result
    }

    override fun close() {
        text.close()
        image.close()
    }

    private fun open(file: String, accelerator: Accelerator): CompiledModel =
        CompiledModel.create(assets, "$folder/$file", CompiledModel.Options(accelerator))

    private fun json(file: String): JSONObject =
        JSONObject(assets.open("$folder/$file").use { it.readBytes().decodeToString() })

    /** Runs a network on arrays, by the names of its inputs; every output must be named. */
    private fun infer(
        model: CompiledModel, inputs: Map<String, Any>, outputs: List<String>,
    ): Map<String, FloatArray> {
        val given = inputs.keys.associateWith { model.createInputBuffer(it, SIGNATURE) }
        val found = outputs.associateWith { model.createOutputBuffer(it, SIGNATURE) }
        try {
            for ((name, values) in inputs) {
                val buffer: TensorBuffer = given.getValue(name)
                when (values) {
                    is IntArray -> buffer.writeInt(values)
                    is FloatArray -> buffer.writeFloat(values)
                }
            }
            model.run(given, found, SIGNATURE)
            return found.mapValues { it.value.readFloat() }
        } finally {
            (given.values + found.values).forEach { it.close() }
        }
    }

    private fun overWhite(picture: Bitmap): Bitmap {
        // A copy in memory: the pixels of a bitmap on the GPU cannot be read.
        val readable = picture.copy(Bitmap.Config.ARGB_8888, false)
        val result =
            Bitmap.createBitmap(picture.width, picture.height, Bitmap.Config.ARGB_8888)
        result.density = readable.density // or the canvas would scale one to the other
        result.eraseColor(Color.WHITE)
        Canvas(result).drawBitmap(readable, 0f, 0f, null)
        return result
    }

    /** A square of an opaque bitmap as the model sees it: [size, size, 3] in [-1, 1]. */
    private fun modelInput(picture: Bitmap, left: Int, top: Int, side: Int): FloatArray {
        val taps = spans(side, size, cubic = false)
        val rows = FloatArray(side * size * 3) // resized along x alone
        val line = IntArray(side)
        for (row in 0 until side) {
            picture.getPixels(line, 0, side, left, top + row, side, 1)
            for (column in 0 until size) {
                val span = taps[column]
                val to = (row * size + column) * 3
                for (tap in span.weights.indices) {
                    val pixel = line[span.start + tap]
                    for (channel in 0 until 3) {
                        rows[to + channel] += span.weights[tap] * level(pixel, channel)
                    }
                }
            }
        }
        val result = FloatArray(size * size * 3)
        for (row in 0 until size) combineRows(rows, size * 3, taps[row], result, row * size * 3)
        return FloatArray(result.size) { result[it] / HALF_RANGE - 1f }
    }

    /**
     * Adds the change [size, size, 3], enlarged, to a square of a bitmap, where alpha is not 0.
     * Where the picture goes on beyond the square, the change ends softly.
     */
    private fun addChange(
        picture: Bitmap, left: Int, top: Int, side: Int, change: FloatArray, alpha: FloatArray,
    ) {
        val cubic = spans(size, side, cubic = true)
        val linear = spans(size, side, cubic = false)
        val wideChange = widen(change, 3, cubic)
        val wideAlpha = widen(alpha, 1, linear)
        val changes = FloatArray(side * 3)
        val alphas = FloatArray(side)
        val line = IntArray(side)
        val rowWeights = faded(side, top, picture.height)
        val columnWeights = faded(side, left, picture.width)
        for (row in 0 until side) {
            combineRows(wideChange, side * 3, cubic[row], changes, 0)
            combineRows(wideAlpha, side, linear[row], alphas, 0)
            picture.getPixels(line, 0, side, left, top + row, side, 1)
            for (column in 0 until side) {
                if (alphas[column] < 1f / 255f) continue
                val weight = rowWeights[row] * columnWeights[column]
                var pixel = line[column] and ALPHA_BITS
                for (channel in 0 until 3) {
                    val change = weight * changes[column * 3 + channel]
                    val level = round(level(line[column], channel) + change)
                    pixel = pixel or (level.toInt().coerceIn(0, 255) shl (16 - 8 * channel))
                }
                line[column] = pixel
            }
            picture.setPixels(line, 0, side, left, top + row, side, 1)
        }
    }

    /** [size, size, channels] to [size, taps.size, channels]. */
    private fun widen(square: FloatArray, channels: Int, taps: List<Span>): FloatArray {
        val result = FloatArray(size * taps.size * channels)
        for (row in 0 until size) for ((column, span) in taps.withIndex()) {
            for (channel in 0 until channels) {
                var sum = 0f
                for (tap in span.weights.indices) {
                    val from = (row * size + span.start + tap) * channels + channel
                    sum += span.weights[tap] * square[from]
                }
                result[(row * taps.size + column) * channels + channel] = sum
            }
        }
        return result
    }

    private companion object {
        const val SIGNATURE = "serving_default"
        const val HALF_RANGE = 127.5f
        const val ALPHA_BITS = 0xFF shl 24
        val TEXT_OUTPUTS = listOf("attention", "h_hat", "mask")
        val IMAGE_OUTPUTS = listOf("alpha", "boundary", "coarse", "fine")
    }
}

/** How much of a change is left in each row, or column, of a square that begins at `start`. */
private fun faded(side: Int, start: Int, length: Int) = FloatArray(side) {
    val before = if (start > 0) (it + 0.5f) / (FADED * side) else 1f
    val after = if (start + side < length) (side - it - 0.5f) / (FADED * side) else 1f
    min(1f, min(before, after))
}

private const val FADED = 0.125f // of the square: how soon a change ends

private fun level(pixel: Int, channel: Int): Int = pixel shr (16 - 8 * channel) and 0xFF

/** Which inputs a position of the output averages. */
private class Span(val start: Int, val weights: FloatArray)

/** Bilinear or bicubic (Keys, a = -1/2) resizing with antialiasing, as in `mim_tf/pictures`. */
private fun spans(input: Int, output: Int, cubic: Boolean): List<Span> {
    val radius = if (cubic) 2.0 else 1.0
    val scale = input.toDouble() / output
    val spread = max(scale, 1.0)
    return List(output) { position ->
        val centre = (position + 0.5) * scale
        val start = max(0, ceil(centre - radius * spread - 0.5).toInt())
        val end = min(input - 1, floor(centre + radius * spread - 0.5).toInt())
        val weights = DoubleArray(end - start + 1) {
            kernel(abs(start + it + 0.5 - centre) / spread, cubic)
        }
        val total = weights.sum()
        Span(start, FloatArray(weights.size) { (weights[it] / total).toFloat() })
    }
}

private fun kernel(distance: Double, cubic: Boolean): Double = when {
    !cubic -> max(0.0, 1 - distance)
    distance >= 2 -> 0.0
    distance >= 1 -> ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    else -> (1.5 * distance - 2.5) * distance * distance + 1
}

/** Writes the weighted sum of rows to `to`, from `begin` on. */
private fun combineRows(rows: FloatArray, length: Int, span: Span, to: FloatArray, begin: Int) {
    to.fill(0f, begin, begin + length)
    for (tap in span.weights.indices) {
        val from = (span.start + tap) * length
        for (index in 0 until length) to[begin + index] += span.weights[tap] * rows[from + index]
    }
}
