import java.util.Locale

/** Captions to token ids, as `mim_tf/text.py` makes them. */
class Tokenizer(words: List<String>, private val maxWords: Int) {
    private val ids = words.withIndex().associate { (index, word) -> word to index + 2 }

    /** Runs of letters, digits and underscores, in lower case. */
    fun words(caption: String): List<String> {
        val text = caption.replace('\uFFFD', ' ').lowercase(Locale.ROOT)
        return WORD.findAll(text).map { it.value }.toList()
    }

    /** [maxWords] ids: 0 pads, 1 is every unknown word, the vocabulary's first word is 2. */
    fun encode(caption: String): IntArray {
        val tokens = IntArray(maxWords)
        for ((place, word) in words(caption).take(maxWords).withIndex()) {
            tokens[place] = ids[word] ?: 1
        }
        return tokens
    }

    private companion object {
        val WORD = Regex("[\\p{L}\\p{N}_]+")
    }
}
