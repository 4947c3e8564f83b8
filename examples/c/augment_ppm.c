// Augments an image as AugMix does: a PPM file (P6) in, a PPM file out.
//
//     cc -std=c11 augment_ppm.c $(pkg-config --cflags --libs halmix) -o augment_ppm
//     ./augment_ppm photo.ppm augmented.ppm 7
//
// The last argument is the seed: the same seed gives the same bytes, on every machine and from every language.

#include <halmix/c.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/// Reads a file of 8-bit RGB into new memory; 0 if it is none.
static int read_ppm(const char* path, halmix_image* image) {
    FILE* file = fopen(path, "rb");
    if (file == NULL) return 0;
    int done = fscanf(file, "P6 %" SCNd32 " %" SCNd32 " 255", &image->width, &image->height) == 2 &&
               fgetc(file) != EOF && image->width > 0 && image->height > 0;
    if (done) {
        const size_t row = (size_t)image->width * 3, rows = (size_t)image->height;
        image->channels = 3;
        image->layout = HALMIX_U8_HWC;
        image->data = calloc(rows, row);
        done = image->data != NULL && fread(image->data, row, rows, file) == rows;
    }
    fclose(file);
    return done;
}

static int write_ppm(const char* path, const halmix_image* image) {
    FILE* file = fopen(path, "wb");
    if (file == NULL) return 0;
    const size_t row = (size_t)image->width * 3, rows = (size_t)image->height;
    const int done = fprintf(file, "P6 %" PRId32 " %" PRId32 " 255\n", image->width, image->height) > 0 &&
                     fwrite(image->data, row, rows, file) == rows;
    return fclose(file) == 0 && done;
}

int main(int argc, char** argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: augment_ppm IN.ppm OUT.ppm SEED\n");
        return 2;
    }
    const uint64_t seed = strtoull(argv[3], NULL, 10);

    halmix_image image = {0};
    if (!read_ppm(argv[1], &image)) {
        fprintf(stderr, "augment_ppm: %s cannot be read as a PPM file of 8-bit RGB\n", argv[1]);
        free(image.data);
        return 1;
    }

    halmix_engine* engine = NULL;
    halmix_policy* policy = NULL;
    halmix_plan* plan = NULL;
    halmix_policy_options options;
    halmix_policy_options_init(&options, sizeof options);
    options.severity = 5;

    // Input and output may be the same memory.
    int failed = halmix_engine_create(NULL, "auto", &engine) || halmix_policy_create(NULL, &options, &policy) ||
                 halmix_plan_create(NULL, &plan) ||
                 halmix_sample(NULL, policy, seed, 0, 0, 0, image.width, image.height, plan) ||
                 halmix_run(NULL, engine, plan, &image, &image, NULL);
    if (failed) {
        fprintf(stderr, "augment_ppm: %s\n", halmix_message(NULL));
    } else if (!write_ppm(argv[2], &image)) {
        fprintf(stderr, "augment_ppm: %s cannot be written\n", argv[2]);
        failed = 1;
    }

    halmix_plan_free(plan);
    halmix_policy_free(policy);
    halmix_engine_free(engine);
    free(image.data);
    return failed;
}
